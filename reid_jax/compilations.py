"""Compiled programs: for which platform, kept between processes, and the memory that they take."""

import warnings
from contextlib import AbstractContextManager
from typing import Any

import jax

# In the keys of JAX's caches: what was traced for one platform is traced anew for another.
_platform = jax.make_user_context(None)


def target() -> str:
    """The platform that is compiled for, "cpu", "gpu" or "tpu".

    That is JAX's default backend, unless said otherwise: a program for a GPU or TPU can be made
    where there is none.
    """
    platform: str | None = _platform.value
    return platform or jax.default_backend()


def compiling_for(platform: str) -> AbstractContextManager[None]:
    """What is traced inside is for this platform, see `target`."""
    context: AbstractContextManager[None] = _platform(platform)
    return context


def keep_compilations() -> None:
    """Turns on JAX's persistent compilation cache in the user's cache folder.

    JAX_COMPILATION_CACHE_DIR chooses another folder.
    """
    from reid_jax.files import cache_folder  # losses, which need `target`, read no files

    if jax.config.values["jax_compilation_cache_dir"] is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder("xla")))
    # A start compiles some dozens of small programs, each below JAX's own threshold of a second.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    # Half of a program that another process is writing is compiled here, too; JAX warns of it.
    warnings.filterwarnings("ignore", "Error reading persistent compilation cache entry")


def program_memory(compiled: Any, *, inputs: bool = True) -> int | None:
    """Bytes that a program takes, as its compiler lays them out; None where it does not say.

    Counted are results and what is needed meanwhile, and what it is given unless `inputs` is False;
    results in the place of what was given are counted once.
    """
    memory = compiled.memory_analysis()
    if memory is None:
        return None
    held = memory.output_size_in_bytes + memory.temp_size_in_bytes - memory.alias_size_in_bytes
    return int(held + memory.argument_size_in_bytes * inputs)
