"""Training a network whose output says who an individual is: images in, embeddings out."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.individuals.glossary import MEASURES, VALIDATION
from reid_jax.models import EmbeddingNet
from reid_jax.models.layers import frozen_batch_norm
from reid_jax.ops.distances import normalize
from reid_jax.ops.images.augment import Augmentation, augment, augment_alike, example_keys
from reid_jax.ops.keys import normal_lots
from reid_jax.ops.losses.distilled import TAUGHT
from reid_jax.ops.losses.objectives import Objective
from reid_jax.ops.ranking.matching import retrieval_rules
from reid_jax.ops.ranking.neighbours import neighbour_agreement
from reid_jax.ops.ranking.retrieval import evaluate_retrieval
from reid_jax.ops.whitening import whitened, within_class_whitening
from reid_jax.reporting.measure import columns
from reid_jax.training.from_images import with_frozen
from reid_jax.training.task import Batch, DividedLoss, Term, Tree


@dataclass(frozen=True)
class EmbeddingTask(DividedLoss):
    """An embedding network, its objective and its augmentation.

    Attributes:
      net: images (B, H, W, C) to a dict with "embedding" and "neck", each (B, D).
      objective: the loss and its class centres.
      augmentation: what happens to the pixels in training.
      num_classes: training individuals.
      mean, std: normalisation of pixels in [0, 1], a value a channel.
      metric: how embeddings are compared: "cosine" or "euclidean".
      views: predictions are the mean over a photo and this many copies of it, augmented by draws
        that are the same for every photo; 0 for the photo alone.
      whiten: the floor of the whitening that the run's embeddings get, 0 for none.
      frozen: blocks of the backbone that get no gradient and whose BatchNorm does not move.
    """

    net: EmbeddingNet
    objective: Objective
    augmentation: Augmentation
    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    metric: str = "cosine"
    views: int = 0
    whiten: float = 0.0
    frozen: tuple[str, ...] = ()
    monitor: str = "mAP"

    def init(self, key: jax.Array, batch: Batch) -> tuple[Tree, Tree]:
        net_key, objective_key = jax.random.split(key)
        images = self._normalise(jnp.asarray(batch["image"][:1], jnp.float32) / 255)
        variables = dict(jax.jit(self.net.init)(net_key, images))
        outputs = jax.eval_shape(self.net.apply, variables, images)
        dimension = outputs["embedding"].shape[-1]
        objective = self.objective.init(objective_key, self.num_classes, dimension)
        return {"net": variables.pop("params"), "objective": objective}, variables

    def outputs(
        self,
        params: Tree,
        model_state: Tree,
        batch: Batch,
        positions: jax.Array,
        keys: tuple[jax.Array, jax.Array],
        axis_name: str | None,
    ) -> tuple[dict[str, jax.Array], Tree]:
        """Of augmented images "embedding" and "neck", each (B, D), and what else the objective
        wants; and the updated model state."""
        augment_key, dropout_key = keys
        each = example_keys(augment_key, positions)
        images = self._normalise(augment(each, batch["image"], self.augmentation))
        net = self.net.clone(
            axis_name=axis_name, backbone=self.net.backbone.clone(axis_name=axis_name)
        )
        with frozen_batch_norm(("backbone", block) for block in self.frozen):
            outputs, updated = net.apply(
                {"params": with_frozen(params["net"], self.frozen), **model_state},
                images,
                train=True,
                mutable=list(model_state),
                rngs={"dropout": dropout_key},
            )
        if "lot" in self.objective.wants:
            outputs["lot"] = normal_lots(augment_key, positions)
        if TAUGHT in self.objective.wants:
            outputs[TAUGHT] = batch[TAUGHT]
        return outputs, updated

    def terms(
        self, params: Tree, outputs: Tree, batch: Batch, axis_name: str | None
    ) -> dict[str, Term]:
        """The objective's terms over the whole batch."""
        return self.objective.terms(
            params["objective"], outputs, batch["label"], batch["mask"], axis_name
        )

    def predict(self, params: Tree, model_state: Tree, batch: Batch) -> jax.Array:
        """Embeddings (B, D) float32."""
        images = jnp.asarray(batch["image"])
        embed = functools.partial(self.embedded, params, model_state)
        embeddings = embed(images.astype(jnp.float32) / 255)
        if self.views:
            for key in jax.random.split(jax.random.key(0), self.views):
                embeddings += embed(augment_alike(key, images, self.augmentation))
            embeddings /= self.views + 1
            embeddings = normalize(embeddings) if self.metric == "cosine" else embeddings
        return embeddings

    def embedded(self, params: Tree, model_state: Tree, pixels: jax.Array) -> jax.Array:
        """Embeddings (B, D) float32 of pixels (B, H, W, C) in [0, 1], without views."""
        variables = {"params": params["net"], **model_state}
        outputs: Any = self.net.apply(variables, self._normalise(pixels))
        return outputs["embedding"]

    def evaluate(
        self, predictions: np.ndarray, examples: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Retrieval metrics, by the rules and with the whitening of the run's report.

        Args:
          predictions: (N + M, D) float32.
          examples: "label" (N,), "query" and "gallery" (indices), facts about the photos (N,) as
            `retrieval_rules` takes them; and "whitening" (M,), the labels of training photos that
            come behind the others, where the run's embeddings are whitened; or "taught" (N, T),
            what a teacher makes of the photos: then how far the two agree.
        """
        if (taught := examples.get(TAUGHT)) is not None:
            return neighbour_agreement(predictions, taught)
        query, gallery, labels = examples["query"], examples["gallery"], examples["label"]
        if (by := examples.get("whitening")) is not None:
            found = within_class_whitening(predictions[len(labels) :], by, self.whiten)
            predictions = whitened(predictions, *found, self.metric)
        result = evaluate_retrieval(
            predictions[query],
            predictions[gallery],
            metric=self.metric,
            **retrieval_rules(labels, query, gallery, examples),
        )
        return {
            each.key: float(result[each.key]) for each in columns(MEASURES, [result], VALIDATION)
        }

    def _normalise(self, images: jax.Array) -> jax.Array:
        mean = jnp.asarray(self.mean, jnp.float32).reshape(1, 1, 1, -1)
        std = jnp.asarray(self.std, jnp.float32).reshape(1, 1, 1, -1)
        return (images - mean) / std
