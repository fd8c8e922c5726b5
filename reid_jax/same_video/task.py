"""Training a network to say whether two clips are of the same video."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.ops.images.augment import Augmentation, example_keys
from reid_jax.ops.losses.objectives import Objective
from reid_jax.ops.mining.in_batch import in_batch
from reid_jax.ops.verification import average_precision, roc_auc
from reid_jax.same_video.net import VideoSimilarityNet
from reid_jax.training.from_images import FromImages
from reid_jax.training.task import Batch, Term, Tree

WHITENING = "whitening"


@dataclass(frozen=True)
class VideoSimilarityTask(FromImages):
    """A network of one encoder for both clips, the objective of its embeddings and of its head.

    A batch has "features" float32 (B, T, D), or with a backbone "image" uint8 (B, T, H, W, C);
    "frames" bool (B, T), "label" int32 (B,), "mask" bool (B,). For predictions two clips an
    example: (B, 2, T, D) and (B, 2, T), with a backbone the features that `image_features` makes.

    Attributes:
      net: see there; it is given `components` numbers a frame.
      components: the width of the linear map of features that is no parameter: the model state has
        its "mean" (D,) and "matrix" (D, components) under WHITENING.
      objective: of the embeddings.
      num_classes: training videos.
      head_weight: of the head's cross-entropy beside the objective; without effect without a head.
      labelled: nothing is known of two clips of a batch but of rows 2i and 2i + 1; else the head
        learns from every two.
      frame_dropout: the share of frames that are hidden in training.
      augmentation, mean, std, frozen, still: see `FromImages`.
    """

    net: VideoSimilarityNet
    objective: Objective
    num_classes: int
    components: int
    head_weight: float = 1.0
    labelled: bool = False
    frame_dropout: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    frozen: tuple[str, ...] = ()
    still: bool = False
    monitor: str = "roc_auc"
    BESIDE = WHITENING

    def init(self, key: jax.Array, batch: Batch) -> tuple[Tree, Tree]:
        net_key, objective_key = jax.random.split(key)
        if self.net.backbone is None:
            features, frames = jnp.asarray(batch["features"][:1]), jnp.asarray(batch["frames"][:1])
            state = {WHITENING: self._neutral(features.shape[-1])}
            given = whiten(state[WHITENING], features)
            params = dict(jax.jit(self.net.init)(net_key, given, frames))["params"]
        else:
            state = self.drawn(net_key, batch, self._neutral)
            params = state.pop("params")
        objective = self.objective.init(objective_key, self.num_classes, self.components)
        return {"net": params, "objective": objective}, state

    def _neutral(self, width: int) -> Tree:
        return {"mean": jnp.zeros(width), "matrix": jnp.eye(width, self.components)}

    def prepared(self, model_state: Tree, features: jax.Array, mask: jax.Array) -> jax.Array:
        del mask
        return whiten(model_state[WHITENING], features.astype(jnp.float32))

    def outputs(
        self,
        params: Tree,
        model_state: Tree,
        batch: Batch,
        positions: jax.Array,
        keys: tuple[jax.Array, jax.Array],
        axis_name: str | None,
    ) -> tuple[jax.Array, Tree]:
        """Embeddings (B, components) of clips some of whose frames are hidden."""
        hide_key, dropout_key = keys
        each = example_keys(hide_key, positions)
        frames = hide_frames(each, batch["frames"], self.frame_dropout)
        if self.net.backbone is None:
            seen = whiten(model_state[WHITENING], batch["features"])
        else:
            seen = self.augmented(jax.vmap(_other)(each), batch["image"])
        encoder = self.net.encoder.clone(axis_name=axis_name)
        return self.trained_on(
            params, model_state, seen, frames, dropout_key, axis_name, encoder=encoder
        )

    def terms(
        self, params: Tree, outputs: jax.Array, batch: Batch, axis_name: str | None
    ) -> dict[str, Term]:
        """The objective's terms, and the head's."""
        label, mask = batch["label"], batch["mask"]
        both = {"embedding": outputs, "neck": outputs}
        terms = self.objective.terms(params["objective"], both, label, mask, axis_name)
        if self.net.head is not None and self.head_weight:
            variables = {"params": params["net"]}
            terms = terms | self._head_terms(variables, outputs, label, mask, axis_name)
        return terms

    def _head_terms(
        self,
        variables: Tree,
        embeddings: jax.Array,
        label: jax.Array,
        mask: jax.Array,
        axis_name: str | None,
    ) -> dict[str, Term]:
        """Cross-entropy of the head over pairs of the batch, same and different balanced."""
        if self.labelled:
            first, second = embeddings[0::2], embeddings[1::2]
            alike, real = label[0::2] == label[1::2], mask[0::2] & mask[1::2]
            same, different = real & alike, real & ~alike
        else:
            batch = in_batch(embeddings, label, mask, axis_name)
            same, different = batch.positives, batch.negatives
            shape = (*same.shape, embeddings.shape[-1])
            first = jnp.broadcast_to(batch.anchors[:, None], shape)
            second = jnp.broadcast_to(batch.references[None], shape)
        logits: Any = self.net.apply(variables, first, second, method="similarity")
        weight = 0.5 * self.head_weight
        return {
            "head_same": _mean_over(jax.nn.softplus(-logits), same, weight),
            "head_different": _mean_over(jax.nn.softplus(logits), different, weight),
        }

    def embed(
        self, params: Tree, model_state: Tree, features: jax.Array, frames: jax.Array
    ) -> jax.Array:
        """Features (B, T, D) and frames (B, T) -> embeddings (B, components) of length 1."""
        given = whiten(model_state[WHITENING], features)
        variables = {"params": params["net"]}
        embeddings: Any = self.net.apply(variables, given, frames, method="embedded")
        return embeddings

    def predict(self, params: Tree, model_state: Tree, batch: Batch) -> jax.Array:
        """How alike the two clips of each example are: (B,), by the head or else the cosine."""
        features, frames = batch["features"], batch["frames"]
        first, second = (
            self.embed(params, model_state, features[:, i], frames[:, i]) for i in (0, 1)
        )
        alike: Any = self.net.apply({"params": params["net"]}, first, second, method="similarity")
        return alike

    def evaluate(
        self, predictions: np.ndarray, examples: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """ROC-AUC and average precision of the predictions (N,); `examples` has "same" (N,)."""
        same = examples["same"]
        return {
            "roc_auc": roc_auc(predictions, same),
            "average_precision": average_precision(predictions, same),
        }


def whiten(whitening: Tree, features: jax.Array) -> jax.Array:
    """(x - mean) @ matrix of features (..., D): (..., components) float32."""
    mean = whitening["mean"].reshape((1,) * (features.ndim - 1) + (-1,))
    highest = jax.lax.Precision.HIGHEST
    return jnp.matmul(features - mean, whitening["matrix"], precision=highest)


def hide_frames(keys: jax.Array, frames: jax.Array, share: float) -> jax.Array:
    """`frames` (B, T) with a share of each row's frames False; never all of a row's."""
    if not share:
        return frames
    kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - share, frames.shape[1:]))(keys)
    left = frames & kept
    return jnp.where(left.any(axis=1, keepdims=True), left, frames)


def _other(key: jax.Array) -> jax.Array:
    return jax.random.fold_in(key, 1)


def _mean_over(costs: jax.Array, pairs: jax.Array, weight: float) -> Term:
    number = jnp.sum(pairs).astype(jnp.float32)
    return Term(jnp.sum(jnp.where(pairs, costs, 0.0)), number, weight)
