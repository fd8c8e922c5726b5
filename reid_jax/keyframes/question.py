"""Which frames matter? What the driver and the commands ask of this question."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.files import expanded
from reid_jax.keyframes import config as configuration
from reid_jax.keyframes.compare import compare_runs
from reid_jax.keyframes.config import KeyframeConfig
from reid_jax.keyframes.experiment import VideoSplit, build, described, imagine
from reid_jax.keyframes.installed import scorer_of
from reid_jax.keyframes.kept import load_run_videos, parts_of
from reid_jax.keyframes.model import TrainedScorer, load_scorer
from reid_jax.keyframes.ridge_choice import chosen, kept_choice
from reid_jax.keyframes.run import evaluate_run, report
from reid_jax.keyframes.teaching import open_teachers, said_of_training
from reid_jax.training.experiment import Experiment
from reid_jax.training.from_images import keep_frames_of_films, with_place_for_frames
from reid_jax.training.hosts.join import agree
from reid_jax.training.kept_videos import FREE, digests_of, keep_videos
from reid_jax.training.paths import located_with_weights
from reid_jax.training.question import Question
from reid_jax.training.teachers import with_teachers


class Keyframes(Question[KeyframeConfig, VideoSplit]):
    """Networks that score the frames of videos."""

    about = "a keyframe scorer"
    config = KeyframeConfig
    free = (*FREE, "distill.teacher", "distill.fingerprints")

    def check(self, config: KeyframeConfig) -> None:
        configuration.check(config)

    def complete(self, config: KeyframeConfig) -> KeyframeConfig:
        config = located_with_weights(config)
        return replace(config, data=with_place_for_frames(config.data))

    def going_on(self, workdir: Path, config: KeyframeConfig) -> KeyframeConfig:
        config = with_teachers(workdir, config, lambda: open_teachers(config, workdir))
        return kept_choice(config, workdir)

    def trains_together(self, config: KeyframeConfig) -> bool:
        return bool(config.model.backbone)

    def load_data(self, config: KeyframeConfig, workdir: Path) -> tuple[KeyframeConfig, VideoSplit]:
        keep_frames_of_films(config.data)
        split = load_run_videos(workdir, config)
        if config.model.backbone and config.model.ridge:
            split = replace(split, described=described(config, split.train))
        return chosen(config, split.described or split.train), split

    def loaded(self, workdir: Path, data: VideoSplit) -> None:
        del workdir
        agree("The set of videos", digests_of(parts_of(data)))

    def build(self, config: KeyframeConfig, data: VideoSplit) -> Experiment:
        held = set(digests_of({"test": parts_of(data)["test"]}).values())
        return build(config, data, said_of_training(config, data, held))

    def imagined(self, config: KeyframeConfig, individuals: int, photos: int) -> Experiment:
        if config.distill.teacher:
            raise UserError(
                "What a teacher adds to a step is not foretold; leave out --distill to plan the "
                "network's own."
            )
        return imagine(config, individuals, photos)

    def batch_bounds(self, config: KeyframeConfig, data: VideoSplit) -> tuple[int, int]:
        del config
        return 1, sum(len(video.picks) for video in data.train)

    def keep(self, workdir: Path, config: KeyframeConfig, data: VideoSplit) -> None:
        keep_videos(workdir, config.data, parts_of(data))

    def report(
        self,
        workdir: Path,
        source: str | None = None,
        *,
        out: Path | None = None,
        videos: Path | None = None,
        coordinator: str = "",
    ) -> dict[str, Any]:
        data = None if source is None else expanded(source)
        return evaluate_run(workdir, data, out=out, moved=videos, coordinator=coordinator)

    def report_trained(self, workdir: Path, config: KeyframeConfig, data: VideoSplit) -> None:
        del config
        if data.test:
            report(load_scorer(workdir), data, workdir / "report")
        else:
            say("Trained on all videos; there is no fold to test on.")

    def load(self, workdir: Path) -> TrainedScorer:
        return scorer_of(workdir)

    def compare_runs(self, workdirs: Sequence[Path], out: Path | None = None) -> dict[str, Any]:
        return compare_runs(workdirs, out)
