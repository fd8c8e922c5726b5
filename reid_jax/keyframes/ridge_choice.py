"""What a scorer's linear start is made of, chosen among the training videos alone."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from reid_jax.console import Bar, say
from reid_jax.data.videos.features import VideoFeatures
from reid_jax.errors import UserError
from reid_jax.keyframes.config import AUTO, KeyframeConfig
from reid_jax.keyframes.context import COLUMNS
from reid_jax.keyframes.inputs import fit_preparation, prepare_video
from reid_jax.keyframes.ridge import normal_equations
from reid_jax.keyframes.targets import annotations
from reid_jax.keyframes.task import normalised_ranks
from reid_jax.ops.batching import padded
from reid_jax.ops.smoothing import smooth_over_time
from reid_jax.training.config_file import has_begun, read_values

COMPONENTS = (32, 64, 128, 256)
CONTEXTS = (0.8, 1.6, 3.2)
PENALTIES = (0.1, 0.22, 0.47, 1.0, 2.2)
SMOOTHINGS = (0.0, 1.25, 2.5, 5.0)
_FOLDS = 8


class Choice(NamedTuple):
    """Of a linear start: `data.components`, `data.context`, `model.ridge`, `model.smoothing`."""

    components: int
    context: float
    ridge: float
    smoothing: float


def kept_choice(config: KeyframeConfig, workdir: Path) -> KeyframeConfig:
    """The configuration with what the run in `workdir` has chosen, where `auto` asks for it."""
    if config.model.ridge != AUTO or not has_begun(workdir):
        return config
    kept = read_values(workdir)
    if "components" not in kept["data"]:
        raise UserError(f"{workdir} is a run of another kind; train into another --workdir.")
    data, model = kept["data"], kept["model"]
    return _with(
        config,
        Choice(data["components"], data["context"], model["ridge"], model["smoothing"]),
    )


def chosen(config: KeyframeConfig, videos: Sequence[VideoFeatures]) -> KeyframeConfig:
    """The configuration with a choice where `model.ridge` asks for `auto`; says which."""
    if config.model.ridge != AUTO:
        return config
    choice, spearman = choose(videos, config.train.seed, config.data.power)
    say(
        f"linear start: {choice.components} components, context {choice.context:g}, "
        f"ridge {choice.ridge:g}, smoothing {choice.smoothing:g} "
        f"(Spearman {spearman:.3f} within the training videos)"
    )
    return _with(config, choice)


def _with(config: KeyframeConfig, choice: Choice) -> KeyframeConfig:
    data = dataclasses.replace(config.data, components=choice.components, context=choice.context)
    model = dataclasses.replace(config.model, ridge=choice.ridge, smoothing=choice.smoothing)
    return dataclasses.replace(config, data=data, model=model)


def choose(videos: Sequence[VideoFeatures], seed: int, power: float = 1.0) -> tuple[Choice, float]:
    """The choice with the highest Spearman correlation, by cross-validation over the videos.

    The videos are dealt out into eight parts (fewer videos, fewer parts); each part is scored by
    what the others give, principal components included. A video's correlation is the mean over
    its annotators.

    Args:
      seed: of the deal.
      power: that features are raised to.

    Returns:
      The choice, and its mean correlation over the videos.

    Raises:
      UserError: there is only one video.
    """
    if len(videos) < 2:
        raise UserError(
            f"model.ridge is auto, which needs two training videos to compare choices on; there is "
            f"{len(videos)}: give a number."
        )
    part = np.random.default_rng([seed, 11]).permutation(len(videos)) % min(_FOLDS, len(videos))
    totals: dict[Choice, float] = {}
    bar = Bar("Choosing a linear start", part.max() + 1)
    for held in range(part.max() + 1):
        inside = [video for video, its in zip(videos, part, strict=True) if its != held]
        outside = [video for video, its in zip(videos, part, strict=True) if its == held]
        for choice, total in _correlations(inside, outside, power):
            totals[choice] = totals.get(choice, 0.0) + total
        bar.update(held + 1)
    bar.close()
    best = max(totals, key=totals.__getitem__)
    return best, totals[best] / len(videos)


def _correlations(
    inside: Sequence[VideoFeatures], outside: Sequence[VideoFeatures], power: float
) -> Iterator[tuple[Choice, float]]:
    """Sums over the videos outside, for each choice fitted inside."""
    width = inside[0].features.shape[1]
    sizes = sorted({min(size, width) for size in COMPONENTS})
    preparation = fit_preparation(
        [video.features for video in inside],
        components=sizes[-1],
        context=1.0,
        power=power,
        widths=inside[0].widths,
    )
    gram, products = normal_equations(
        [prepare_video(preparation, video.features) for video in inside], inside
    )
    frames = [prepare_video(preparation, video.features) for video in outside]
    said = [normalised_ranks(annotations(video)) for video in outside]
    lengths = np.asarray([len(x) for x in frames])
    fits = list(itertools.product(sizes, CONTEXTS, PENALTIES))
    fitted = []
    for size, context, ridge in fits:
        # Fewer components and another context are the same columns at other scales.
        scale = np.zeros(len(gram))
        scale[:size] = (size / sizes[-1]) ** 0.5
        scale[-COLUMNS:] = context
        fitted.append(
            scale
            * np.linalg.solve(
                scale[:, None] * gram * scale + ridge * np.eye(len(gram)), scale * products
            )
        )
    weights = np.stack(fitted, axis=1).astype(np.float32)
    scores = padded([x @ weights for x in frames])  # (V, T, fits)
    scores = scores.transpose(0, 2, 1).reshape(-1, scores.shape[1])
    mask = np.repeat(np.arange(scores.shape[1])[None] < lengths[:, None], len(fits), axis=0)
    batch = jnp.asarray(scores), jnp.asarray(mask)
    for sigma in SMOOTHINGS:
        smooth = np.asarray(smooth_over_time(*batch, sigma=sigma)) if sigma else scores
        totals = np.zeros(len(fits))
        for ranks, rows, length in zip(said, np.split(smooth, len(frames)), lengths, strict=True):
            told = ranks[ranks.any(axis=1)]
            if len(told):
                totals += (normalised_ranks(rows[:, :length]) @ told.T).mean(axis=1)
        for (size, context, ridge), total in zip(fits, totals, strict=True):
            yield Choice(size, context, ridge, sigma), float(total)
