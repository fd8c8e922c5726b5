"""Training a network that says how important each frame of a video is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import rankdata

from reid_jax.errors import UserError
from reid_jax.fields import NOT_NEGATIVE, POSITIVE, check
from reid_jax.keyframes import soft_rank
from reid_jax.keyframes.context import COLUMNS, frame_context
from reid_jax.keyframes.distillation import INSIDE, SCORES, ScorerDistillation, seen_inside
from reid_jax.keyframes.net import KeyframeNet
from reid_jax.ops.images.augment import Augmentation, example_keys
from reid_jax.training.from_images import FromImages
from reid_jax.training.task import Batch, Term, Tree

PREPARATION = "preparation"  # in the model state: how features become the scorer's inputs


@dataclass(frozen=True)
class KeyframeLoss:
    """How far scores are from targets, by value and by order."""

    squared: Annotated[float, NOT_NEGATIVE] = 1.0
    """Weight of the squared error."""
    rank: Annotated[float, NOT_NEGATIVE] = 1.0
    """Weight of the loss of the order; 0 for none."""
    order: Literal["spearman", "listnet", "pairwise"] = "spearman"
    """1 - soft Spearman correlation, ListNet's cross entropy, or RankNet's loss of pairs."""
    temperature: Annotated[float, POSITIVE] = 0.1
    """Difference of scores that the loss of the order begins to see as an order."""

    def __post_init__(self) -> None:
        check(self, "loss")
        if self.squared + self.rank == 0:
            raise UserError("loss.squared and loss.rank are 0; one of them must be above.")

    def terms(self, scores: jax.Array, targets: jax.Array, mask: jax.Array) -> dict[str, Term]:
        """The weighted terms of scores and targets (B, T) where `mask` (B, T) holds."""
        terms = {}
        if self.squared:
            total = soft_rank.squared_error(scores, targets, mask)
            terms["squared_error"] = Term(*total, self.squared)
        if self.rank:
            losses = {
                "spearman": soft_rank.spearman_loss,
                "listnet": soft_rank.listnet_loss,
                "pairwise": soft_rank.pairwise_loss,
            }
            total = losses[self.order](scores, targets, mask, temperature=self.temperature)
            terms[self.order] = Term(*total, self.rank)
        return terms


@dataclass(frozen=True)
class KeyframeTask(FromImages):
    """A keyframe network, its loss and what disturbs its clips.

    A batch has "target" float32 (B, T), "mask" bool (B, T), and either "features" float32
    (B, T, D), as `prepare` makes them, or with a backbone "image" uint8 (B, T, H, W, C). With a
    teacher it has what that says, see `reid_jax.keyframes.distillation`.

    Attributes:
      net: features or images to scores.
      loss_terms: the loss.
      augmentation, mean, std, frozen, still: see `FromImages`.
      noise: standard deviation of noise on prepared features, relative to each feature's own.
      components: of the backbone's features, see `prepare` (0: all); the preparation is then in the
        model state, as where features come as they are. None: the scorer gets them as they are.
      power: of the same preparation.
      distill: how it learns from a teacher; None without one.
      taught: numbers of the teacher's features of a frame.
    """

    net: KeyframeNet
    loss_terms: KeyframeLoss = field(default_factory=KeyframeLoss)
    augmentation: Augmentation = field(default_factory=Augmentation)
    noise: float = 0.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    frozen: tuple[str, ...] = ()
    still: bool = False
    components: int | None = None
    power: float = 1.0
    distill: ScorerDistillation | None = None
    taught: int = 0
    monitor: str = "spearman"
    BESIDE = PREPARATION

    def init(self, key: jax.Array, batch: Batch) -> tuple[Tree, Tree]:
        if self.net.backbone is None:
            frames = jnp.asarray(batch["features"][:1, :1], jnp.float32)
            variables = dict(jax.jit(self.net.init)(key, frames, jnp.ones((1, 1), bool)))
        else:
            kept, power = self.components, self.power
            neutral = (
                None if kept is None else lambda width: neutral_preparation(width, kept, power)
            )
            variables = self.drawn(key, batch, neutral)
        params = {"net": variables.pop("params")}
        if self.distill is not None:
            params |= self.distill.init(self.net.scorer.width, self.taught)
        return params, variables

    def outputs(
        self,
        params: Tree,
        model_state: Tree,
        batch: Batch,
        positions: jax.Array,
        keys: tuple[jax.Array, jax.Array],
        axis_name: str | None,
    ) -> tuple[dict[str, jax.Array], Tree]:
        """Scores (B, T) of disturbed or augmented clips, and the updated model state.

        With a teacher that shows it, also what is inside the network, see `seen_inside`.
        """
        augment_key, dropout_key = keys
        each = example_keys(augment_key, positions)
        if self.net.backbone is None:
            frames = self._disturbed(each, batch["features"], model_state)
        else:
            frames = self.augmented(each, batch["image"])
        scorer = self.net.scorer.clone(axis_name=axis_name)
        mask = batch["mask"]
        shown = (INSIDE,) if self.distill is not None and self.distill.beside_scores else ()
        found, updated = self.trained_on(
            *(params, model_state, frames, mask, dropout_key, axis_name, shown), scorer=scorer
        )
        return seen_inside(found[0], found[1][INSIDE]) if shown else {SCORES: found}, updated

    def terms(
        self, params: Tree, outputs: Tree, batch: Batch, axis_name: str | None
    ) -> dict[str, Term]:
        """The loss's terms; clips do not see each other."""
        del axis_name
        terms = self.loss_terms.terms(outputs[SCORES], batch["target"], batch["mask"])
        if self.distill is None:
            return terms
        weight = self.distill.task
        own = {name: term._replace(weight=weight * term.weight) for name, term in terms.items()}
        by_teacher = self.distill.terms(params, outputs, batch, self.loss_terms)
        return by_teacher | (own if weight else {})

    def explained(
        self, params: Tree, model_state: Tree, features: jax.Array, mask: jax.Array
    ) -> dict[str, jax.Array]:
        """What `predict_features` says, and what is inside the network: see `seen_inside`."""
        variables = {"params": params["net"], **self.statistics(model_state)}
        scores, shown = self.net.apply(variables, features, mask, method="score", mutable=[INSIDE])
        return seen_inside(scores, shown[INSIDE])

    def predict(self, params: Tree, model_state: Tree, batch: Batch) -> jax.Array:
        """Scores (B, T) float32 in (0, 1); 0 where "mask" is false."""
        if self.net.backbone is None:
            features = jnp.asarray(batch["features"])
        else:
            images = jnp.asarray(batch["image"])
            flat = images.reshape(-1, *images.shape[2:])
            features = self.image_features(params, model_state, flat)
            features = features.reshape(*images.shape[:2], -1)
            features = self.prepared(model_state, features, jnp.asarray(batch["mask"]))
        return self.predict_features(params, model_state, features, jnp.asarray(batch["mask"]))

    def _neutral(self, width: int) -> Tree:
        return neutral_preparation(width, self.components or 0, self.power)

    def prepared(self, model_state: Tree, features: jax.Array, mask: jax.Array) -> jax.Array:
        if self.components is None:
            return features
        return prepare(model_state[PREPARATION], features.astype(jnp.float32), mask)

    def predict_features(
        self, params: Tree, model_state: Tree, features: jax.Array, mask: jax.Array
    ) -> jax.Array:
        """Scores (B, T) of features (B, T, D), prepared or the backbone's, where `mask` holds."""
        variables = {"params": params["net"], **self.statistics(model_state)}
        scores: Any = self.net.apply(variables, features, mask, method="score")
        return scores

    def evaluate(
        self, predictions: np.ndarray, examples: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Metrics of scores (N, T) for videos with "length" (N,), "target" (N, T) and "ranks".

        "ranks" (N, U, T): what each annotator says, as `normalised_ranks`, with zeros behind the
        end and for annotators that there are not.

        Returns:
          spearman: rho against each annotator who did not give every frame the same, averaged over
            annotators, then over videos; equal scores give 0.
          mse: of scores and targets over a video's frames, averaged over videos.
        """
        rho, mse = [], []
        rows = zip(
            predictions, examples["length"], examples["target"], examples["ranks"], strict=True
        )
        for scores, length, target, ranks in rows:
            said = ranks[ranks.any(axis=1), :length]
            if len(said):
                rho.append(np.mean(said @ normalised_ranks(scores[None, :length])[0]))
            mse.append(np.mean(np.square(scores[:length] - target[:length])))
        return {"spearman": float(np.mean(rho)) if rho else 0.0, "mse": float(np.mean(mse))}

    def _disturbed(self, keys: jax.Array, features: jax.Array, model_state: Tree) -> jax.Array:
        if not self.noise:
            return features
        deviation = model_state[PREPARATION]["deviation"][None, :] * self.noise

        def one(key: jax.Array, clip: jax.Array) -> jax.Array:
            return clip + deviation * jax.random.normal(key, clip.shape, clip.dtype)

        return jax.vmap(one)(keys, features)


def prepare(preparation: Tree, features: jax.Array, mask: jax.Array) -> jax.Array:
    """What the scorer sees of features (B, T, D): (B, T, K) float32, masked frames 0.

    Features are raised to "power", where there is one, standardised and projected,
    ((x - mean) / scale) @ basis, and stand beside `frame_context` times "context", where that is
    not 0; no gradient goes through that.
    """
    if "power" in preparation:
        features = raised(features, preparation["power"])
    scaled = (features - preparation["mean"][None, None]) / preparation["scale"][None, None]
    projected = jnp.matmul(scaled, preparation["basis"], precision=jax.lax.Precision.HIGHEST)
    projected = jnp.where(mask[..., None], projected, 0.0)
    # Where nothing changes from a frame to the next, the change has no gradient.
    context = frame_context(jax.lax.stop_gradient(features), mask) * preparation["context"]
    return jnp.concatenate([projected, context], axis=-1)


def raised(features: Any, power: Any) -> jax.Array:
    """sign(x) |x|^power (Perronnin et al., ECCV 2010, "Improving the Fisher kernel", section 3.2).

    Where x is 0 or nearly so, the gradient is 0, not infinite.
    """
    return jnp.sign(features) * jnp.maximum(jnp.abs(features), 1e-6) ** power


def neutral_preparation(width: int, components: int, power: float = 1.0) -> dict[str, jax.Array]:
    """What leaves features (.., width) as they are, but for what is beside `components` (0: none),
    with a context of 0; see `fit_preparation`."""
    kept = min(components or width, width)
    found = {
        "mean": jnp.zeros(width),
        "scale": jnp.ones(width),
        "basis": jnp.eye(width, kept),
        "context": jnp.zeros(()),
        "deviation": jnp.ones(kept + COLUMNS),
    }
    return found if power == 1 else found | {"power": jnp.full((), power)}


def normalised_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of each row of (U, T), centred and of length 1, so that products are Spearman's rho.

    Float32; ties share their mean rank, a constant row gives zeros.
    """
    ranks = rankdata(values, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(ranks, axis=1, keepdims=True)
    return (ranks / np.where(norm > 0, norm, 1.0)).astype(np.float32)
