"""Blocks shared by the networks: convolution, batch norm, squeeze-excite, dropout, drop path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from reid_jax.ops.batch_norm import Activation, BatchNormalisation, normalise_batch, widen
from reid_jax.ops.convolution.gradient_barrier import gradient_barrier
from reid_jax.ops.convolution.lax import conv_general_dilated

Dtype = Any
ModuleDef = Callable[..., Any]
Padding = int | str | tuple[tuple[int, int], tuple[int, int]]


def conv(
    features: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: Padding | None = None,
    groups: int = 1,
    dilation: int = 1,
    use_bias: bool = False,
    dtype: Dtype = jnp.float32,
    kernel_init: nn.initializers.Initializer | None = None,
    name: str | None = None,
) -> nn.Conv:
    """A square 2-D convolution (B, H, W, C) -> (B, h, w, features), by default He-initialised.

    Args:
      padding: pixels on each side (None: `dilation * (kernel_size - 1) // 2`, PyTorch's habit),
        explicit pairs, or `"SAME"` / `"VALID"` with TensorFlow's meaning (at stride 2 and even
        sizes "SAME" pads the far side only, so the two habits give different numbers).
    """
    if padding is None:
        padding = dilation * (kernel_size - 1) // 2
    return nn.Conv(
        features,
        (kernel_size, kernel_size),
        strides=stride,
        padding=padding,
        feature_group_count=groups,
        kernel_dilation=dilation,
        use_bias=use_bias,
        dtype=dtype,
        kernel_init=kernel_init or partial(he_normal_fan_out, groups=groups),
        conv_general_dilated=conv_general_dilated,
        name=name,
    )


def he_normal_fan_out(
    key: jax.Array, shape: tuple[int, ...], dtype: Dtype = jnp.float32, *, groups: int = 1
) -> jax.Array:
    """Normal with variance 2 / (kernel area * outputs per group): He et al. 2015, eq. 14."""
    fan_out = shape[0] * shape[1] * shape[3] / groups
    return jnp.asarray((2.0 / fan_out) ** 0.5, dtype) * jax.random.normal(key, shape, dtype)


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last (Ioffe and Szegedy 2015, algorithm 1).

    Statistics and parameters are float32, the output has `dtype`. The running variance takes the
    unbiased estimate N / (N - 1), as PyTorch's does (Linen's takes the biased one). `axis_name`
    averages the statistics over a pmapped axis. With `groups` they are those of so many equal
    consecutive parts of the rows of all devices, and the running ones take their mean.
    """

    use_running_average: bool = True
    momentum: float = 0.9
    epsilon: float = 1e-5
    use_bias: bool = True
    dtype: Dtype = jnp.float32
    axis_name: str | None = None
    groups: int = 0
    scale_init: nn.initializers.Initializer = nn.initializers.ones

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        *,
        act: Activation | None = None,
        shortcut: jax.Array | None = None,
    ) -> jax.Array:
        features = (x.shape[-1],)
        scale = self.param("scale", self.scale_init, features, jnp.float32)
        bias = (
            self.param("bias", nn.initializers.zeros, features, jnp.float32)
            if self.use_bias
            else jnp.zeros(features)
        )
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, features, jnp.float32)
        running_var = self.variable("batch_stats", "var", jnp.ones, features, jnp.float32)

        if self.use_running_average:
            factor = lax.rsqrt(running_var.value + self.epsilon) * scale
            every = range(x.ndim - 1)
            mean, factor, bias = (
                lax.expand_dims(v, every) for v in (running_mean.value, factor, bias)
            )
            y = (widen(x) - mean) * factor + bias
            y = y if shortcut is None else y + widen(shortcut)
            return (y if act is None else act(y)).astype(self.dtype)
        starting = self.is_initializing()
        devices = lax.axis_size(self.axis_name) if self.axis_name and not starting else 1
        within = self.groups > 0 and not starting  # no group is on two devices
        axis_name = None if within or starting else self.axis_name
        divided = self.axis_name is None and jax.sharding.get_abstract_mesh().size > 1
        divided = divided and not within
        # One value of the batch lies near enough; of many devices each has others.
        shift = running_mean.value if axis_name or divided else None
        how = BatchNormalisation(
            self.epsilon,
            self.dtype,
            groups=self.groups // devices if within else 1,
            axis_name=axis_name,
            divided=divided,
            act=act,
        )
        y, mean, var = normalise_batch(how, x, scale, bias, shift, shortcut)
        if not starting:
            count = x.size // x.shape[-1] * devices // (self.groups if within else 1)
            unbiased = var * (count / max(count - 1, 1))
            mean, unbiased = mean.mean(0), unbiased.mean(0)
            if within and devices > 1:
                mean, unbiased = lax.pmean(jnp.stack([mean, unbiased]), self.axis_name)
            keep = self.momentum
            running_mean.value = keep * running_mean.value + (1.0 - keep) * mean
            running_var.value = keep * running_var.value + (1.0 - keep) * unbiased
        return y


def frozen_batch_norm(prefixes: Iterable[tuple[str, ...]]) -> Any:
    """A context in which batch norms below these module paths keep to their running statistics.

    `prefixes` are module paths, e.g. `("backbone", "layer1_0")`; `()` means every batch norm.
    Used around `module.apply(..., train=True)` when part of a network is frozen.
    """
    wanted = tuple(tuple(prefix) for prefix in prefixes)

    def interceptor(next_fun: Any, args: Any, kwargs: Any, context: Any) -> Any:
        module = context.module
        if (
            isinstance(module, BatchNorm)
            and context.method_name == "__call__"
            and not module.use_running_average
            and any(module.path[: len(prefix)] == prefix for prefix in wanted)
        ):
            object.__setattr__(module, "use_running_average", True)
        return next_fun(*args, **kwargs)

    return nn.intercept_methods(interceptor)


def _global_bernoulli(
    module: nn.Module, keep: float, shape: tuple[int, ...], axis_name: str | None
) -> jax.Array:
    """A mask drawn for the batch of all devices, of which this device takes its own rows."""
    key = module.make_rng("dropout")
    if axis_name is None:
        return jax.random.bernoulli(key, keep, shape)
    rows = shape[0]
    mask = jax.random.bernoulli(key, keep, (rows * lax.axis_size(axis_name), *shape[1:]))
    return lax.dynamic_slice_in_dim(mask, lax.axis_index(axis_name) * rows, rows)


class Dropout(nn.Module):
    """Dropout (Srivastava et al. 2014), inverted; the mask does not depend on the device layout.

    Needs the rng "dropout", the same key on every device.
    """

    rate: float
    deterministic: bool = True
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        if self.deterministic or self.rate == 0.0 or self.is_initializing():
            return x
        keep = 1.0 - self.rate
        mask = _global_bernoulli(self, keep, x.shape, self.axis_name)
        x = gradient_barrier(x)
        return jnp.where(mask, x / jnp.asarray(keep, x.dtype), jnp.zeros((), x.dtype))


class DropPath(nn.Module):
    """Drops a residual branch for a whole example (stochastic depth, Huang et al. 2016)."""

    rate: float
    deterministic: bool = True
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        if self.deterministic or self.rate == 0.0 or self.is_initializing():
            return x
        keep = 1.0 - self.rate
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        mask = _global_bernoulli(self, keep, shape, self.axis_name)
        return jnp.where(mask, x / jnp.asarray(keep, x.dtype), jnp.zeros((), x.dtype))


class ConvNormAct(nn.Module):
    """Convolution without bias, batch norm, activation. `norm` is a partial of `BatchNorm`."""

    features: int
    kernel_size: int
    norm: ModuleDef
    stride: int = 1
    padding: Padding | None = None
    groups: int = 1
    act: Activation | None = nn.relu
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = conv(
            self.features,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            groups=self.groups,
            dtype=self.dtype,
            name="conv",
        )(x)
        return self.norm(name="norm")(x, act=self.act)


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation (Hu et al. 2018, section 3): channels scaled by a gate of their means.

    The two layers are 1x1 convolutions with bias called `fc1` and `fc2`.
    """

    reduced: int
    act: Activation = nn.relu
    gate: Activation = nn.sigmoid
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        s = widen(x).mean((1, 2), keepdims=True).astype(self.dtype)
        s = conv(self.reduced, 1, use_bias=True, dtype=self.dtype, name="fc1")(s)
        s = conv(channels, 1, use_bias=True, dtype=self.dtype, name="fc2")(self.act(s))
        return x * self.gate(s)


def make_divisible(value: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, at least 90% of `value` (MobileNet's rounding rule)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class Backbone(nn.Module, kw_only=True):
    """What every network has: `module(images, train=False, features_only=False)`.

    `num_classes=0` gives pooled features (B, F) float32, otherwise logits float32; with
    `features_only=True` a dict of named maps (B, h, w, c) in order, the last being what is pooled.
    `remat` keeps only the inputs of blocks for the gradient (networks with `has_blocks`).
    `norm_groups` is that of `BatchNorm`. `dropout` acts before each classifier layer, `drop_path`
    (the rate at the last block) on residual branches.
    """

    has_residuals: ClassVar[bool] = True
    has_blocks: ClassVar[bool] = True

    num_classes: int = 0
    dtype: Dtype = jnp.float32
    dropout: float = 0.0
    drop_path: float = 0.0
    axis_name: str | None = None
    norm_groups: int = 0
    remat: bool = False

    def block(self, kind: type[nn.Module]) -> ModuleDef:
        """The block's class, with `remat` one whose inside is computed again for the gradient.

        What is kept of a block is its input (Chen et al. 2016): memory for one more forward pass.
        """
        return nn.remat(kind) if self.remat else kind

    def batch_norm(self, train: bool, *, momentum: float = 0.9, epsilon: float = 1e-5) -> ModuleDef:
        """`BatchNorm` with this network's dtype and axis, for blocks to instantiate."""
        return partial(
            BatchNorm,
            use_running_average=not train,
            momentum=momentum,
            epsilon=epsilon,
            dtype=self.dtype,
            axis_name=self.axis_name,
            groups=self.norm_groups,
        )

    def drop_path_layer(self, train: bool, block: int, blocks: int) -> DropPath:
        """Drop path with a rate that grows linearly over the depth (Huang et al. 2016, eq. 4)."""
        return DropPath(self.drop_path * block / max(blocks - 1, 1), not train, self.axis_name)

    def classify(
        self, pooled: jax.Array, train: bool, name: str, features: int | None = None
    ) -> jax.Array:
        """Dropout and a float32 dense layer: pooled (B, F) -> (B, features or num_classes)."""
        pooled = Dropout(self.dropout, not train, self.axis_name)(pooled)
        return nn.Dense(features or self.num_classes, name=name)(pooled)
