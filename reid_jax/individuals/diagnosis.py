"""What is wrong with a run: its numbers are gathered, and asked one after the other."""

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from reid_jax.data.photos import Dataset, QueryGallery
from reid_jax.data.photos.transforms import relabelled
from reid_jax.individuals.experiment import make_sampler
from reid_jax.individuals.glossary import TUNED
from reid_jax.individuals.model import TrainedModel
from reid_jax.individuals.symptoms import (
    flatters,
    guessing,
    leaked,
    learnt_by_heart,
    no_better,
    rank1_of_guessing,
    single_photos,
    too_few,
)
from reid_jax.individuals.twins import SIDE, have_twins
from reid_jax.individuals.watch import indifferent_loss, of_training
from reid_jax.ops.ranking.matching import encounters, retrieval_rules
from reid_jax.ops.ranking.retrieval import evaluate_retrieval
from reid_jax.ops.significance import FEWEST_FOR_VERDICT
from reid_jax.ops.whitening import some_of_each
from reid_jax.reporting.symptom import Symptom
from reid_jax.training.logging import read_metrics

_COMPARED, _TRAINED = 1_000, 10_000  # photos whose twins are looked for, and among how many
_EMBEDDED = 2_000  # training photos
_DRAW = 11  # leads from a run's seed to photos that are drawn

Results = Mapping[str, Any]


def diagnose(
    model: TrainedModel,
    embeddings: np.ndarray,
    photos: Dataset,
    test: QueryGallery,
    metrics: Results,
    baselines: Mapping[str, Results],
    *,
    split: str | None,
    trained: Dataset | None,
) -> list[Symptom]:
    """What is wrong, the worst first; nothing where all is well.

    Args:
      embeddings: ``(N, D)`` of the photos before any whitening.
      photos: of the report.
      test: which of them are searched for, and in which.
      metrics, baselines: of :func:`reid_jax.individuals.judge.evaluate_candidates`.
      split: of ``data.split``; None for photos that the run did not hold out.
      trained: the training photos, where ``photos`` are what the run held out.
    """
    labels, (query, gallery) = photos.labels, test
    baselines = {name: each for name, each in baselines.items() if name != TUNED}
    asked = len(np.unique(labels[query]))
    found = [guessing(metrics, baselines, rank1_of_guessing(labels, query, gallery))]
    if found == [None] and model.step and model.blend != 0:
        found += _untrained(model, metrics, baselines, asked, split, trained)
    if not any(each and each.name == "over-fitted" for each in found):
        rows, individuals = read_metrics(model.workdir), len(np.unique(labels))
        indifferent = functools.partial(_indifferent, model, trained)
        worst = of_training(rows, embeddings, individuals, indifferent)[:1]
        # Of wrong names no loss falls.
        found += [each for each in worst if not found[0] or each.name != "loss does not fall"]
    found.append(too_few(metrics, asked))
    found.append(flatters(split, metrics, _same_day(photos, query, gallery)))
    if trained is not None:
        found.append(single_photos(np.unique(trained.labels, return_counts=True)[1]))
        found.append(_leaked(photos.subset(query), trained, model.config.train.seed))
    return [each for each in found if each is not None]


def _untrained(
    model: TrainedModel,
    metrics: Results,
    baselines: Mapping[str, Results],
    asked: int,
    split: str | None,
    trained: Dataset | None,
) -> list[Symptom | None]:
    """Whether what was not trained is as good; where it is, whether training was by heart."""
    better = no_better(metrics, baselines, asked)
    if better is None or trained is None:
        return [better]
    some = some_of_each(trained.labels, _EMBEDDED, model.config.train.seed)
    photos = trained.subset(some)
    if len(np.unique(photos.labels)) < FEWEST_FOR_VERDICT:
        return [better]
    every = np.arange(len(some))
    rules = retrieval_rules(
        photos.labels, every, every, photos.columns, other_day=split in ("date", "open")
    )
    z = model.embed(photos)
    known = evaluate_retrieval(z, z, metric=model.task.metric, **rules)["rank1"]
    before = max(values["rank1"] for values in baselines.values())
    return [better, learnt_by_heart(known, metrics["rank1"], before)]


def _indifferent(model: TrainedModel, trained: Dataset | None) -> float:
    """The loss where nobody is told apart; nan where the training photos are not there, and where a
    teacher has a part in the loss."""
    config = model.config
    if trained is None or config.distill.teacher:
        return math.nan
    photos = relabelled(trained)
    batch = make_sampler(config.data, photos.labels, config.train.seed)(0)
    number = len(photos.identities) * config.data.symmetries
    return indifferent_loss(config.loss, photos.labels[batch], number)


def _same_day(photos: Dataset, query: np.ndarray, gallery: np.ndarray) -> float:
    """Of a query's matches the share that is of its own day, averaged over the queries."""
    if "date" not in photos.columns:
        return 0.0
    own = np.isin(query, gallery)
    day = encounters(photos.labels, photos.columns["date"])
    same, there = (
        np.bincount(codes[gallery], minlength=codes.max() + 1)[codes[query]] - own
        for codes in (day, photos.labels)
    )
    return float(np.mean(same[there > 0] / there[there > 0])) if there.any() else 0.0


def _leaked(searched: Dataset, trained: Dataset, seed: int) -> Symptom | None:
    """Twins of some photos that are searched for, among some that were trained on."""
    rng = np.random.default_rng([seed, _DRAW])
    pixels = [
        photos.load(np.sort(rng.permutation(len(photos))[:most]), SIDE, 1, progress="small photos")
        for photos, most in ((searched, _COMPARED), (trained, _TRAINED))
    ]
    return leaked(int(have_twins(*pixels).sum()), *map(len, pixels))
