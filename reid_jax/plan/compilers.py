"""The compilers of accelerators, run on a machine that has none.

`jax-cuda12-plugin` and `libtpu` compile without a device (`jax.experimental.topologies`). They lie
in the extra `plan` and are looked for in the process that compiles alone, see `platforms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax

from reid_jax.errors import UserError
from reid_jax.plan.accelerators import Accelerator

# The compiler without trying kernels out, for which it would need the device.
_OPTIONS: dict[str, dict[str, Any]] = {"nvidia": {"xla_gpu_autotune_level": "0"}, "tpu": {}}
# A product whose tiles cannot be found without trying goes to the library then.
_TILES = "Couldn't find output tile sizes"
_BY_LIBRARY = {"xla_gpu_enable_triton_gemm": False}
_PACKAGES = {"nvidia": ("jax-cuda12-plugin", "jax_cuda12_plugin"), "tpu": ("libtpu", "libtpu")}


def check_compilers(kind: str) -> None:
    """Refuses to go on without the compiler, or with one of another version than JAX.

    Raises:
      UserError: how to get it.
    """
    package, module = _PACKAGES[kind]
    if PathFinder.find_spec(module) is None:  # which sees what `platforms` hides
        raise UserError(
            f"The compiler of {'NVIDIA GPUs' if kind == 'nvidia' else 'TPUs'} is not installed; "
            "pip install 'reid-jax[plan]' brings it (about 310 MB)."
        )
    try:
        theirs, ours = version(package), version("jax")
    except PackageNotFoundError:
        return
    if kind == "nvidia" and theirs.split(".")[:2] != ours.split(".")[:2]:
        raise UserError(
            f"{package} is {theirs} and jax {ours}; they go together where the first two numbers "
            "are the same: pip install --upgrade 'reid-jax[plan]' jax."
        )


def devices_of(accelerator: Accelerator, count: int) -> Sequence[jax.Device]:
    """Devices that programs can be compiled for, and that run nothing.

    Raises:
      UserError: the compiler knows no such machine.
    """
    from jax.experimental import topologies

    accelerator.check(count)
    try:
        if accelerator.kind == "nvidia":
            group = accelerator.links.group
            shape = f"1x{max(count // group, 1)}x{min(count, group)}"
            description = topologies.get_topology_desc(
                platform="cuda",
                topology_name=shape,
                topology=shape,
                target_config=_target(accelerator),
            )
        else:
            sizes = accelerator.compiler["topologies"]
            slices = 1 if str(count) in sizes else count // max(map(int, sizes))
            more: dict[str, Any] = {"num_slices": slices} if slices > 1 else {}
            if count == 1:
                more = {"chips_per_host_bounds": [1, 1, 1]}
            description = topologies.get_topology_desc(
                platform="tpu",
                topology_name=f"{accelerator.key}:{sizes[str(count // slices)]}",
                **more,
            )
    except Exception as error:
        said = str(error).splitlines()[0][:200]
        raise UserError(f"The compiler knows no {count:,} x {accelerator.name}: {said}") from error
    return list(description.devices)


def compiled(lowered: Any, accelerator: Accelerator) -> Any:
    """A lowered program in the device's own form.

    Raises:
      UserError: the device's memory does not suffice, or the compiler refuses it.
    """
    options = _OPTIONS[accelerator.kind]
    try:
        try:
            return lowered.compile(compiler_options=options)
        except jax.errors.JaxRuntimeError as error:
            if _TILES not in str(error):
                raise
        return lowered.compile(compiler_options=options | _BY_LIBRARY)
    except jax.errors.JaxRuntimeError as error:
        said = str(error)
        if "RESOURCE_EXHAUSTED" in said or "hbm" in said.lower():
            wanted = said.partition("Used ")[2].partition(" of ")[0]
            needs = f"it needs {wanted}" if wanted else said.splitlines()[0][:200]
            raise UserError(
                f"It does not fit into the {accelerator.memory_bytes / 1e9:.0f} GB of a "
                f"{accelerator.name}: {needs}; take a smaller batch, model.remat, train.accumulate "
                "or more devices."
            ) from error
        raise UserError(
            f"The compiler of a {accelerator.name} refuses: {said.splitlines()[0][:300]}"
        ) from error


def _target(accelerator: Accelerator) -> str:
    """NVIDIA's device as its compiler takes it: a GpuTargetConfig of XLA as text."""
    has = accelerator.compiler
    major, minor = has["capability"]
    return f"""
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: {has["shared_memory_per_core"]}
  threads_per_core_limit: {has["threads_per_core"]}
  core_count: {has["cores"]}
  fpus_per_core: {has["fpus_per_core"]}
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {int(accelerator.bytes_per_second)}
  l2_cache_size: {has["l2_bytes"]}
  clock_rate_ghz: {has["clock_ghz"]}
  device_memory_size: {int(accelerator.memory_bytes)}
  shared_memory_per_block_optin: {has["shared_memory_per_block"]}
  cuda_compute_capability {{ major: {major} minor: {minor} }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
device_description_str: "{accelerator.name}"
"""
