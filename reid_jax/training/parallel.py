"""Where a step runs: one device, all of this machine under pmap, or a mesh of any size.

The only file that knows about devices. A function `f(state, shared, batch, *, axis_name=None)`
is compiled so that `state` and `shared` live on every device and `batch` is divided along one axis.
Its outputs are the same on all devices and come back as ordinary arrays, without a device axis;
on a mesh, class centres are divided over the devices where these divide their number.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from reid_jax.compilations import compiling_for, target
from reid_jax.errors import UserError
from reid_jax.ops.convolution.lax import cpu_compiler_options, has_narrow_convolutions, uses_onednn
from reid_jax.platforms import memory_bytes
from reid_jax.training.buckets import join

AXIS = "batch"
_CPU_MEMORY = 8 * 2**30
_FOR_DATA = 0.5  # of a device's memory
_NOTABLE = 2**24  # bytes of class centres on a device that are worth a line
CLASS_CENTERS = "centers"  # the name of parameters (classes, ...) that grow with the individuals
Tree = Any
Gives = Literal["rows", "same", "summed"]
_sharing = jax.make_user_context(1)  # devices of the mesh that is compiled for


@dataclass(frozen=True)
class Layout:
    """A choice of devices and of how a batch is divided over them."""

    mode: Literal["single", "pmap", "mesh"]
    devices: tuple[jax.Device, ...]

    @property
    def size(self) -> int:
        """How many devices."""
        return len(self.devices)

    @property
    def description(self) -> str:
        """In words: "cpu", "cpu (oneDNN)", "1 x NVIDIA H100 80GB HBM3", "8 x TPU v4 (pmap)"."""
        kind = self.devices[0].device_kind
        if self.size == 1 and kind == "cpu":
            return "cpu (oneDNN)" if uses_onednn() else "cpu"
        if self.size == 1:
            return f"1 x {kind}"
        return f"{self.size} x {kind} ({self.mode})"

    @property
    def narrow(self) -> bool:
        """Whether the devices have instructions for bfloat16, which is then the faster type."""
        return self.devices[0].platform != "cpu" or has_narrow_convolutions()

    @functools.cached_property
    def mesh(self) -> Mesh:
        """The devices in a row, the axis that batches are divided over."""
        return Mesh(np.asarray(self.devices), (AXIS,), axis_types=(AxisType.Auto,))

    @property
    def _options(self) -> dict[str, str] | None:
        # By default XLA on a CPU drops barriers, merges what was to be computed again, and saves
        # no memory by rematerialisation or accumulation. pmap takes no options.
        if self.devices[0].platform != "cpu":
            return None
        return {"xla_disable_hlo_passes": "cse_barrier_expander", **cpu_compiler_options()}

    def check(self, batch_size: int, unit: int, name: str) -> None:
        """A device's share must hold whole units (pairs, say).

        Raises:
          UserError: when `batch_size` does not divide.
        """
        alone = ", or train.parallel single" if jax.process_count() == 1 else ""
        check_shared(batch_size, self.size, unit, name, alone)

    def compile(self, function: Callable[..., Any], *, batch_axis: int, donate: bool) -> Any:
        """Compiles `function(state, shared, batch, *, axis_name)`; `donate` reuses the memory.

        What is returned is called as `(state, shared, batch)`, and has `lower` as `jax.jit`'s has.
        """
        donated = (0,) if donate else ()
        function = self._for_these(function)
        if self.mode == "single":
            return jax.jit(function, donate_argnums=donated, compiler_options=self._options)
        if self.mode == "pmap":
            return jax.pmap(
                functools.partial(function, axis_name=AXIS),
                axis_name=AXIS,
                in_axes=(None, None, batch_axis),
                out_axes=None,
                devices=self.devices,
                donate_argnums=donated,
            )

        def placed(*arguments: Tree) -> Tree:
            with jax.sharding.use_abstract_mesh(self.mesh.abstract_mesh):  # layers look at it
                results = function(*arguments)
            return jax.lax.with_sharding_constraint(results, self._places(results))

        return jax.jit(
            placed,
            in_shardings=(None, None, self._divided(batch_axis)),  # None: where `everywhere` put it
            donate_argnums=donated,
            compiler_options=self._options,
        )

    def compile_map(self, function: Callable[[Tree, Any], Any]) -> Any:
        """Compiles `function(shared, batch)` whose result has a row an example."""
        divided, function = self._divided(0), self._for_these(function)
        if jax.process_count() == 1:
            return jax.jit(
                function,
                in_shardings=(None, divided),
                out_shardings=divided,
                compiler_options=self._options,
            )
        everywhere = NamedSharding(self.mesh, PartitionSpec())  # to be read by every process
        compiled = jax.jit(function, in_shardings=(None, divided), out_shardings=everywhere)
        return lambda shared, batch: compiled(shared, self.divide(batch, 0))

    def on_each_device(
        self, function: Callable[[Any, Tree, str | None], Any], gives: Sequence[Gives]
    ) -> Callable[[Any, Tree, str | None], Any]:
        """`function(shared, rows, axis_name)` on a mesh, inside of what `compile` compiles.

        Each device calls it with the rows that it has, under a name of the axis, so that nothing
        is exchanged but by its own collectives. It returns as many things as `gives` says: rows;
        what is the same on all; or what is added up over the devices, all of it in one exchange,
        with the structure of `shared[0]`. Of divided class centres, in `shared` and in the sum, a
        device sees its share; sums leave them as they are, for they are the loss's.

        Elsewhere than on a mesh it is the function itself.
        """
        if self.mode != "mesh":
            return function

        def spread(shared: Any, rows: Tree, axis_name: str | None) -> Any:
            del axis_name
            places = jax.tree.map(lambda place: place.spec, self._places(shared))
            own = PartitionSpec(AXIS)

            def on_one(shared: Any, rows: Tree) -> Any:
                results = function(shared, rows, AXIS)
                return tuple(
                    _summed(one) if kind == "summed" else one
                    for one, kind in zip(results, gives, strict=True)
                )

            out = {"rows": own, "same": PartitionSpec(), "summed": places[0]}
            return jax.shard_map(
                on_one,
                mesh=self.mesh,
                in_specs=(places, own),
                out_specs=tuple(out[kind] for kind in gives),
                check_vma=False,
            )(shared, rows)

        return spread

    def everywhere(self, tree: Tree) -> Tree:
        """Puts a pytree on every device, once, so that calls do not move it again.

        On a mesh, class centres and their moments are divided instead, a share of the classes a
        device: XLA then computes each device's share of the logits there, and sums over devices.
        """
        if jax.process_count() == 1:
            return jax.device_put(tree, self._places(tree))
        return jax.tree.map(_from_all, tree, self._places(tree))

    def divide(self, tree: Tree, batch_axis: int, *, own_rows: bool = False) -> Tree:
        """Divides the leaves of a host batch along an axis, as the compiled function expects it.

        Of several processes each passes the whole batch, or with `own_rows` its own part.
        """
        if jax.process_count() > 1:
            place = jax.make_array_from_process_local_data if own_rows else _from_all
            divided = self._divided(batch_axis)
            return jax.tree.map(
                lambda leaf: place(divided, leaf) if own_rows else place(leaf, divided), tree
            )
        if self.mode == "single":
            return jax.device_put(tree, self.devices[0])
        if self.mode == "pmap":
            return jax.tree.map(lambda leaf: _split(leaf, batch_axis, self.size), tree)
        return jax.device_put(tree, self._divided(batch_axis))

    def divided_shape(self, shape: Sequence[int], dtype: Any, batch_axis: int) -> Any:
        """What `divide` would make of an array, without the array: for compiling ahead."""
        if self.mode == "pmap":
            axis, size = batch_axis, self.size
            shape = (*shape[:axis], size, shape[axis] // size, *shape[axis + 1 :])
        place = self._divided(batch_axis) if self.mode == "mesh" else None
        return jax.ShapeDtypeStruct(tuple(shape), dtype, sharding=place)

    def shapes(self, tree: Tree) -> Tree:
        """What `everywhere` would make of a tree, of arrays or shapes, without the arrays."""
        if self.mode != "mesh":
            return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)
        return jax.tree.map(
            lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
            tree,
            self._places(tree),
        )

    @property
    def memory(self) -> int:
        """Bytes that each device may use; on a CPU a share of what is free, up to 8 GiB of it."""
        stats = self.devices[0].memory_stats() or {}
        if limit := stats.get("bytes_limit"):
            return int(limit)
        free = memory_bytes(free=True) or _CPU_MEMORY
        return min(free, _CPU_MEMORY) // self.size

    def notes(self, state: Tree) -> list[str]:
        """A line where each device holds all of many class centres, and what would divide them."""
        centers = [
            leaf for path, leaf in jax.tree_util.tree_leaves_with_path(state) if is_centers(path)
        ]
        held = sum(leaf.size * leaf.dtype.itemsize for leaf in centers)
        if self.size == 1 or held < _NOTABLE:
            return []
        number = max(leaf.shape[0] for leaf in centers)
        if number % self.size:
            remedy = (
                f"a mesh would divide them if {self.size} divided {number:,}; choose another "
                "number of devices, or sample centres with loss.sampled"
            )
        elif self.mode == "mesh":
            return []
        else:
            remedy = "--train.parallel mesh divides them"
        return [
            f"{number:,} class centres, {held / 1e9:.2f} GB with what the optimiser keeps of them, "
            f"are on each of {self.size} devices: {remedy}"
        ]

    def _for_these(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is traced for these devices, which may be a description of devices."""
        platform, sharing = self.devices[0].platform, self.size if self.mode == "mesh" else 1
        if platform == target() and sharing == 1:
            return function

        @functools.wraps(function)
        def traced(*arguments: Any, **named: Any) -> Any:
            with compiling_for(platform), _sharing(sharing):
                return function(*arguments, **named)

        return traced

    def _places(self, tree: Tree) -> Tree:
        def place(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
            divided = self.mode == "mesh" and is_centers(path) and leaf.shape[0] % self.size == 0
            return NamedSharding(self.mesh, PartitionSpec(AXIS) if divided else PartitionSpec())

        return jax.tree_util.tree_map_with_path(place, tree)

    def _divided(self, batch_axis: int) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec(*(None,) * batch_axis, AXIS))


def _summed(tree: Tree) -> Tree:
    vectors, separate = join(tree, leave=is_centers)
    return separate(jax.lax.psum(vectors, AXIS))


def divides_centers(number: int) -> bool:
    """Whether what is being traced is for a mesh that divides so many class centres."""
    return _sharing.value > 1 and number % _sharing.value == 0


def is_centers(path: tuple[Any, ...]) -> bool:
    """Whether a leaf at this path of a state is class centres, or what is kept of each of them."""
    return bool(path) and getattr(path[-1], "key", None) == CLASS_CENTERS


def _from_all(leaf: Any, place: NamedSharding) -> jax.Array:
    """An array over several processes, each of which has all of it."""
    if isinstance(leaf, jax.Array) and leaf.sharding.is_equivalent_to(place, leaf.ndim):
        return leaf
    whole = np.asarray(leaf)
    return jax.make_array_from_callback(whole.shape, place, lambda index: whole[index])


def whole(tree: Tree) -> Tree:
    """Arrays of devices as NumPy's, also those that are divided over several processes.

    All processes must ask. One array after the other, so that a device holds but one of those that
    are divided as a whole.
    """

    def one(leaf: jax.Array) -> np.ndarray:
        if not leaf.is_fully_addressable:
            if not leaf.is_fully_replicated:
                leaf = _copied(leaf.sharding)(leaf)
            leaf = leaf.addressable_data(0)
        return np.array(leaf)  # a copy: the next step is given the memory of the other

    return jax.tree.map(one, tree)


@functools.cache
def _copied(place: NamedSharding) -> Any:
    """Compiled: an array that is so divided, whole on each device."""
    return jax.jit(lambda array: array, out_shardings=NamedSharding(place.mesh, PartitionSpec()))


def _split(leaf: Any, axis: int, size: int) -> Any:
    shape = leaf.shape
    return leaf.reshape(*shape[:axis], size, shape[axis] // size, *shape[axis + 1 :])


def mesh_for(size: int) -> Mesh | None:
    """All devices, where `size` bytes are more than half of the memory of one; else none of them.

    The other half is for what is computed from the bytes.
    """
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    if limit is None or size <= _FOR_DATA * limit or jax.device_count() == 1:
        return None
    return make_layout("mesh").mesh


def make_layout(
    mode: Literal["auto", "single", "pmap", "mesh"],
    devices: Sequence[jax.Device] | int | None = None,
) -> Layout:
    """The layout for a mode; `auto` is pmap on one machine with several devices.

    Args:
      devices: which, or how many of the first; all where not given.

    Raises:
      UserError: when several processes are to train without a mesh.
    """
    if devices is None or isinstance(devices, int):
        devices = jax.devices()[:devices]
    available = tuple(devices)
    if mode == "auto":
        mode = "single" if len(available) == 1 else "pmap"
        if jax.process_count() > 1:
            mode = "mesh"
    if mode != "mesh" and jax.process_count() > 1:
        raise UserError(f"train.parallel is {mode}; several processes need mesh, or auto.")
    if mode == "single":
        available = available[:1]
    return Layout(mode, available)


def check_shared(batch_size: int, devices: int, unit: int, name: str, otherwise: str = "") -> None:
    """Refuses a batch of which each device cannot have as many whole units.

    Raises:
      UserError: saying what would do, and `otherwise`.
    """
    if batch_size % (devices * unit):
        raise UserError(
            f"{name} is {batch_size}, which {devices} devices cannot share equally; "
            f"a multiple of {devices * unit} would do{otherwise}."
        )
