"""Compiled programs are kept in the user's cache from one process to the next."""

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
