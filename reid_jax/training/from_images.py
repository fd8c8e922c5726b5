"""What is trained from images of frames, whatever is asked of them: a backbone under a network."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.models import create_backbone
from reid_jax.models.layers import frozen_batch_norm
from reid_jax.ops.batching import in_blocks
from reid_jax.ops.convolution.compilation import compiler_options
from reid_jax.ops.images.augment import Augmentation, augment_alike
from reid_jax.ops.keys import initial_key
from reid_jax.training.experiment import start_from
from reid_jax.training.hosts.join import agree, is_first
from reid_jax.training.task import Batch, DividedLoss, Tree
from reid_jax.weights import input_info, load_pretrained

Data = TypeVar("Data")
Describe = Callable[[Tree, Tree, np.ndarray], np.ndarray]

_AT_A_TIME = 64  # images that go through a backbone before or after training


class FromImages(DividedLoss):
    """A task whose network may have a backbone under it, which makes the features of frames.

    Attributes:
      net: `(frames, mask, *, train, prepare)`, with `backbone` (None where features come as they
        are) and a method `features`, see `reid_jax.models.temporal.frames.features_of`.
      augmentation: of images; all frames of a clip are changed alike.
      mean, std: normalisation of pixels in [0, 1], a value a channel.
      frozen: blocks of the backbone that get no gradient and whose BatchNorm does not move.
      still: BatchNorm moves in no block of the backbone.
      BESIDE: what of the model state is not the network's: how features are prepared for it.
    """

    net: Any
    augmentation: Augmentation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    frozen: tuple[str, ...]
    still: bool
    BESIDE: ClassVar[str]

    def prepared(self, model_state: Tree, features: jax.Array, mask: jax.Array) -> jax.Array:
        """What the network gets of a backbone's features (B, T, D)."""
        raise NotImplementedError

    def drawn(
        self, key: jax.Array, batch: Batch, neutral: Callable[[int], Tree] | None
    ) -> dict[str, Tree]:
        """The network's variables for one image of a batch, and what prepares features at first.

        Args:
          neutral: that, for features of a width; None where nothing prepares them.
        """
        images, mask = jnp.asarray(batch["image"][:1, :1], jnp.float32), jnp.ones((1, 1), bool)
        made: dict[str, Tree] = {}

        def init(key: jax.Array) -> Tree:
            def prepare(features: jax.Array, mask: jax.Array) -> jax.Array:
                if neutral is not None:
                    made[self.BESIDE] = neutral(features.shape[-1])
                return self.prepared(made, features, mask)

            return {**self.net.init(key, images, mask, prepare=prepare), **made}

        return dict(jax.jit(init)(key))

    def trained_on(
        self,
        params: Tree,
        model_state: Tree,
        frames: jax.Array,
        mask: jax.Array,
        dropout_key: jax.Array,
        axis_name: str | None,
        shown: tuple[str, ...] = (),
        **parts: Any,
    ) -> tuple[Any, Tree]:
        """What the network gives of frames in training, and the updated model state.

        Args:
          frames: images (B, T, H, W, C), augmented and normalised, or prepared features (B, T, D).
          shown: collections that come back beside what the network gives, in a pair with it.
          parts: of the network beside the backbone, as they are over `axis_name`.
        """
        backbone = self.net.backbone
        if backbone is not None:
            parts["backbone"] = backbone.clone(axis_name=axis_name)
        statistics = self.statistics(model_state)
        frozen = [("backbone", block) for block in self.frozen]
        with frozen_batch_norm([("backbone",)] if self.still else frozen):
            outputs, updated = self.net.clone(**parts).apply(
                {"params": with_frozen(params["net"], self.frozen), **statistics},
                frames,
                mask,
                train=True,
                prepare=functools.partial(self.prepared, model_state),
                mutable=[*statistics, *shown],
                rngs={"dropout": dropout_key},
            )
        if shown:
            outputs = outputs, {name: updated.pop(name) for name in shown}
        return outputs, {**model_state, **updated}

    def augmented(self, keys: jax.Array, images: jax.Array) -> jax.Array:
        """Images uint8 (B, T, H, W, C), changed by a key a clip, as the backbone sees them."""
        alike = functools.partial(augment_alike, spec=self.augmentation)
        return self.normalised(jax.vmap(alike)(keys, images))

    def normalised(self, images: jax.Array) -> jax.Array:
        """Images (B, T, H, W, C) in [0, 1], as the backbone sees them."""
        mean = jnp.asarray(self.mean, jnp.float32).reshape(1, 1, 1, 1, -1)
        std = jnp.asarray(self.std, jnp.float32).reshape(1, 1, 1, 1, -1)
        return (images - mean) / std

    def image_features(self, params: Tree, model_state: Tree, images: jax.Array) -> jax.Array:
        """The backbone's features (N, D) float32 of images uint8 (N, H, W, C)."""
        frames = self.normalised(jnp.asarray(images, jnp.float32)[None] / 255)
        variables = {"params": params["net"], **self.statistics(model_state)}
        features: Any = self.net.apply(variables, frames, method="features")
        return features[0].astype(jnp.float32)

    def statistics(self, model_state: Tree) -> dict[str, Tree]:
        """What of the model state is the network's own."""
        return {name: value for name, value in model_state.items() if name != self.BESIDE}


def with_frozen(params: Tree, frozen: tuple[str, ...]) -> Tree:
    """A network's parameters, those of the frozen blocks of its backbone without a gradient."""
    if not frozen:
        return params
    backbone = {
        block: jax.lax.stop_gradient(leaves) if block in frozen else leaves
        for block, leaves in params["backbone"].items()
    }
    return {**params, "backbone": backbone}


def describing(task: FromImages) -> Describe:
    """`(params, model_state, images uint8 (N, H, W, C)) -> features (N, D)` float32, by blocks."""
    compiled = jax.jit(task.image_features, compiler_options=compiler_options())

    def describe(params: Tree, model_state: Tree, images: np.ndarray) -> np.ndarray:
        return in_blocks(functools.partial(compiled, params, model_state), images, _AT_A_TIME)

    return describe


def describing_before(
    task: Any, model: Any, train: Any, images: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """The same of images alone, by the backbone as training begins with it.

    Args:
      model, train: sections of the configuration.
      images: some of them.
    """
    drawn = task.init(initial_key(train.seed, train.streams), {"image": images[None, :1]})
    return functools.partial(describing(task), *start_from(published_backbone(model), *drawn))


def backbone_of(model: Any) -> Any:
    """The backbone of a section `model`, or None."""
    if not model.backbone:
        return None
    return create_backbone(model.backbone, dtype=jnp.dtype(model.dtype), remat=model.remat)


def published_backbone(model: Any) -> Any:
    """The published variables that the backbone of a section `model` starts from, or None."""
    return load_pretrained(model.backbone, model.pretrained) if model.pretrained else None


def pixels_of(model: Any) -> dict[str, Any]:
    """Mean and standard deviation of pixels, as the backbone of a section `model` has learnt."""
    if not model.pretrained:
        return {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    inputs = input_info(model.backbone, model.pretrained)
    return {"mean": inputs.mean, "std": inputs.std}


def with_place_for_frames(data: Data) -> Data:
    """A section `data` with a folder beside its file for the frames of `videos`, if it has none."""
    of: Any = data
    if not of.videos or of.frames:
        return data
    beside = Path(of.path).with_suffix("").as_posix() + "_frames"
    made: Data = replace(of, frames=beside)
    return made


def keep_frames_of_films(data: Any) -> None:
    """Writes the frames of the films of a section `data`, where they are not there yet.

    Raises:
      UserError: see `keep_picked_frames`.
    """
    from reid_jax.data.videos.picked_frames import keep_picked_frames

    if data.videos and is_first():
        keep_picked_frames(Path(data.path), Path(data.videos), Path(data.frames))
    agree("Where the frames are", {"frames": data.frames})  # when they are there
