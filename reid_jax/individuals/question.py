"""Who is this individual? What the driver and the commands ask of this question."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reid_jax.console import say
from reid_jax.data.photos import Dataset, Splits, describe
from reid_jax.data.photos.content import content_digests
from reid_jax.data.photos.splits import NoValidationError
from reid_jax.errors import UserError
from reid_jax.individuals import config as configuration
from reid_jax.individuals.agreement import report_agreement
from reid_jax.individuals.compare import compare_runs
from reid_jax.individuals.config import EmbeddingConfig
from reid_jax.individuals.evidence.features import Evidence
from reid_jax.individuals.experiment import batch_bounds, build, imagine
from reid_jax.individuals.glossary import SPLITS
from reid_jax.individuals.model import TrainedModel, load_run
from reid_jax.individuals.published import open_model
from reid_jax.individuals.recipe import chosen, kept_choice
from reid_jax.individuals.run import SKIPPED, evaluate_run, list_skipped, report
from reid_jax.individuals.split_file import agree_on_photos, keep_moved, keep_split, load_run_data
from reid_jax.individuals.teaching import open_teachers, teacher_of
from reid_jax.ops.ranking.matching import check_matches
from reid_jax.training.experiment import Experiment
from reid_jax.training.hosts.join import is_first
from reid_jax.training.network_words import is_network
from reid_jax.training.parallel import Layout
from reid_jax.training.question import Question
from reid_jax.training.teachers import with_teachers

Photos = tuple[Dataset, Splits]


class Individuals(Question[EmbeddingConfig, Photos]):
    """Networks of photos, whose embeddings say who an individual is."""

    about = "a network of photos"
    config = EmbeddingConfig
    # Where the photos are is compared by their content, see split_file.
    free = (
        *("data.source", "data.input", "model.views", "model.whiten", "choices"),
        *("distill.teacher", "distill.fingerprints"),  # compared by what they are, see teaching
    )

    def check(self, config: EmbeddingConfig) -> None:
        configuration.check(config)

    def complete(self, config: EmbeddingConfig) -> EmbeddingConfig:
        return configuration.complete(config)

    def going_on(self, workdir: Path, config: EmbeddingConfig) -> EmbeddingConfig:
        config = configuration.going_on(workdir, config)
        config = with_teachers(workdir, config, lambda: open_teachers(config, workdir))
        return kept_choice(workdir, config)

    def trains_together(self, config: EmbeddingConfig) -> bool:
        return True

    def load_data(self, config: EmbeddingConfig, workdir: Path) -> tuple[EmbeddingConfig, Photos]:
        data, seed = config.data, config.train.seed
        try:
            return config, load_run_data(workdir, data, seed, training=True)
        except NoValidationError:
            if not config.minutes:
                raise
        # Such a run chooses to train nothing, and says why.
        data = replace(data, validation_fraction=0.0)
        return config, load_run_data(workdir, data, seed, training=True)

    def loaded(self, workdir: Path, data: Photos) -> None:
        dataset, splits = data
        agree_on_photos(dataset, splits)
        if is_first():
            say(describe(dataset, str(workdir / SKIPPED)))
        check_matches(dataset.labels, *splits.test, dataset.columns)

    def choose(
        self, config: EmbeddingConfig, data: Photos, layout: Layout, started: float
    ) -> EmbeddingConfig:
        return chosen(config, data, layout, started)

    def build(self, config: EmbeddingConfig, data: Photos) -> Experiment:
        return build(config, *data, teacher_of(config, *data))

    def imagined(self, config: EmbeddingConfig, individuals: int, photos: int) -> Experiment:
        if config.distill.teacher:
            raise UserError(
                "What a teacher adds to a step is not foretold; leave out --distill to plan the "
                "network's own."
            )
        return imagine(config, individuals, photos)

    def batch_bounds(self, config: EmbeddingConfig, data: Photos) -> tuple[int, int]:
        return batch_bounds(config, *data)

    def keep(self, workdir: Path, config: EmbeddingConfig, data: Photos) -> None:
        keep_moved(workdir, data[0], config.data.source)
        list_skipped(data[0], workdir / SKIPPED)
        keep_split(workdir, *data)

    def report(
        self,
        workdir: Path,
        source: str | None = None,
        *,
        query: str | None = None,
        gallery: str | None = None,
        out: Path | None = None,
        photos: str | None = None,
        rerank: bool = False,
        evidence: Evidence | None = None,
        coordinator: str = "",
    ) -> dict[str, Any]:
        if source is None and query is None and not is_network(workdir):
            model = load_run(workdir)
            if model.config.data.unnamed:
                model = model.with_photos_at(photos) if photos else model
                dataset, splits = model.load_data()
                return report_agreement(model, dataset.subset(splits.test.query), out)
        return evaluate_run(
            *(workdir, source),
            query=query,
            gallery=gallery,
            out=out,
            photos=photos,
            rerank=rerank,
            evidence=evidence,
            coordinator=coordinator,
        )

    def report_trained(self, workdir: Path, config: EmbeddingConfig, data: Photos) -> None:
        dataset, splits = data
        if config.data.unnamed:
            report_agreement(load_run(workdir), dataset.subset(splits.test.query))
            return
        report(
            *(load_run(workdir), workdir / "report", dataset, splits.test),
            title=workdir.name,
            about=SPLITS[config.data.split],
            split=config.data.split,
            learnt=content_digests(dataset)[splits.train],
            trained=dataset.subset(splits.train),
        )

    def load(self, workdir: Path) -> TrainedModel:
        return open_model(workdir)

    def compare_runs(self, workdirs: Sequence[Path], out: Path | None = None) -> dict[str, Any]:
        return compare_runs(workdirs, out)
