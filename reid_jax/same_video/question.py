"""Are these clips of one video? What the driver and the commands ask of this question."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reid_jax.console import say
from reid_jax.same_video import config as configuration
from reid_jax.same_video.compare import compare_runs
from reid_jax.same_video.config import VideoSimilarityConfig
from reid_jax.same_video.experiment import ClipSplit, build, imagine
from reid_jax.same_video.model import SimilarityRun, load_similarity_run
from reid_jax.same_video.run import load_run_videos, parts_of, report_pairs
from reid_jax.training.experiment import Experiment
from reid_jax.training.from_images import keep_frames_of_films, with_place_for_frames
from reid_jax.training.kept_videos import FREE, keep_videos
from reid_jax.training.paths import located_with_weights
from reid_jax.training.question import Question


class SameVideo(Question[VideoSimilarityConfig, ClipSplit]):
    """Networks that say how alike two clips are."""

    about = "a similarity of videos"
    config = VideoSimilarityConfig
    free = FREE

    def check(self, config: VideoSimilarityConfig) -> None:
        configuration.check(config)

    def complete(self, config: VideoSimilarityConfig) -> VideoSimilarityConfig:
        config = located_with_weights(config)
        return replace(config, data=with_place_for_frames(config.data))

    def load_data(
        self, config: VideoSimilarityConfig, workdir: Path
    ) -> tuple[VideoSimilarityConfig, ClipSplit]:
        if config.train.streams == 1:  # from before pairs were drawn apart
            say("Until now this run trained on pairs of clips that shared frames; now none does.")
        keep_frames_of_films(config.data)
        return config, load_run_videos(config, workdir)

    def build(self, config: VideoSimilarityConfig, data: ClipSplit) -> Experiment:
        return build(config, data)

    def imagined(self, config: VideoSimilarityConfig, individuals: int, photos: int) -> Experiment:
        return imagine(config, individuals, photos)

    def keep(self, workdir: Path, config: VideoSimilarityConfig, data: ClipSplit) -> None:
        keep_videos(workdir, config.data, parts_of(data))

    def report(
        self, workdir: Path, *, out: Path | None = None, videos: Path | None = None
    ) -> dict[str, Any]:
        return report_pairs([workdir], out or workdir / "report", moved=videos)

    def report_trained(self, workdir: Path, config: VideoSimilarityConfig, data: ClipSplit) -> None:
        del config
        report_pairs([workdir], workdir / "report", split=data)

    def load(self, workdir: Path) -> SimilarityRun:
        return load_similarity_run(workdir)

    def compare_runs(self, workdirs: Sequence[Path], out: Path | None = None) -> dict[str, Any]:
        return compare_runs(workdirs, out)
