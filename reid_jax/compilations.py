"""Compiled programs: kept from one process to the next, and the memory that they take."""

from typing import Any

from reid_jax.files import cache_folder


def keep_compilations() -> None:
    """Turns on JAX's persistent compilation cache in the user's cache folder.

    JAX_COMPILATION_CACHE_DIR chooses another folder.
    """
    import jax

    if jax.config.values["jax_compilation_cache_dir"] is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder("xla")))
    # A start compiles some dozens of small programs, each below JAX's own threshold of a second.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


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
