"""The blocks that MobileNets and EfficientNets are made of, and the frame around them."""

from __future__ import annotations

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.layers import (
    Activation,
    Backbone,
    ConvNormAct,
    DropPath,
    Dtype,
    ModuleDef,
    Padding,
    SqueezeExcite,
)
from reid_jax.models.pooling import average_pool


@dataclasses.dataclass(frozen=True)
class BlockSpec:
    """One block.

    Attributes:
      expanded: channels inside; the expansion is left out where they are the input's.
      reduced: channels of the squeeze, 0 for no squeeze-excite.
      fused: one dense convolution instead of expansion and depthwise convolution (Tan and Le 2021).
      residual: add the input where the shapes allow it.
      separable: depthwise and pointwise convolution, both with activation (Howard et al. 2017).
      projects: a fused block that does not expand has its linear 1x1 convolution, too, as in timm's
        own networks.
    """

    kernel: int
    stride: int
    expanded: int
    features: int
    act: Activation
    reduced: int = 0
    se_act: Activation = nn.relu
    se_gate: Activation = nn.sigmoid
    fused: bool = False
    residual: bool = True
    separable: bool = False
    projects: bool = False


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, squeeze-excite, project (Sandler et al. 2018; Tan and Le 2019)."""

    spec: BlockSpec
    norm: ModuleDef
    drop_path: DropPath
    padding: Padding | None = None
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        spec = self.spec
        y = x
        if spec.fused:
            plain = spec.expanded == x.shape[-1] and not spec.projects
            features = spec.features if plain else spec.expanded
            y = self._layer("expand", features, spec.kernel, spec.stride, spec.act)(y)
            if not plain:
                y = self._layer("project", spec.features, 1, 1, None)(y)
        else:
            if spec.expanded != x.shape[-1]:
                y = self._layer("expand", spec.expanded, 1, 1, spec.act)(y)
            y = self._layer(
                "depthwise", spec.expanded, spec.kernel, spec.stride, spec.act, spec.expanded
            )(y)
            if spec.reduced:
                y = SqueezeExcite(spec.reduced, spec.se_act, spec.se_gate, self.dtype, name="se")(y)
            y = self._layer("project", spec.features, 1, 1, spec.act if spec.separable else None)(y)
        if spec.residual and y.shape == x.shape:
            y = x + self.drop_path(y)
        return y

    def _layer(
        self,
        name: str,
        features: int,
        kernel: int,
        stride: int,
        act: Activation | None,
        groups: int = 1,
    ) -> ConvNormAct:
        return ConvNormAct(
            features, kernel, self.norm, stride, self.padding, groups, act, self.dtype, name=name
        )


class MobileNet(Backbone):
    """A strided 3x3 stem, stages of blocks, a 1x1 head, the average, the classifier.

    Attributes:
      stages: the blocks, stage by stage.
      stem, head: channels; `head=0` leaves the head out.
      hidden: width of a dense layer between the average and the classifier, 0 for none.
      padding: None for PyTorch's, "SAME" for TensorFlow's.

    Maps: stem, stage1 ..., head.
    """

    stages: tuple[tuple[BlockSpec, ...], ...]
    stem: int
    head: int
    act: Activation
    hidden: int = 0
    padding: str | None = None
    momentum: float = 0.9
    epsilon: float = 1e-5

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, features_only: bool = False
    ) -> jax.Array | dict[str, jax.Array]:
        norm = self.batch_norm(train, momentum=self.momentum, epsilon=self.epsilon)
        x = ConvNormAct(
            self.stem, 3, norm, 2, self.padding, act=self.act, dtype=self.dtype, name="stem"
        )(images.astype(self.dtype))
        maps = {"stem": x}
        blocks = sum(len(stage) for stage in self.stages)
        block = 0
        for s, stage in enumerate(self.stages, start=1):
            for i, spec in enumerate(stage):
                x = self.block(InvertedResidual)(
                    spec,
                    norm,
                    self.drop_path_layer(train, block, blocks),
                    self.padding,
                    self.dtype,
                    name=f"stage{s}_{i}",
                )(x)
                block += 1
            maps[f"stage{s}"] = x
        if self.head:
            x = ConvNormAct(self.head, 1, norm, act=self.act, dtype=self.dtype, name="head")(x)
            maps["head"] = x
        if features_only:
            return maps
        pooled = average_pool(x)
        if not self.num_classes:
            return pooled
        if self.hidden:
            pooled = self.act(nn.Dense(self.hidden, name="hidden")(pooled))
        return self.classify(pooled, train, "classifier")
