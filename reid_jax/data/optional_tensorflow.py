"""TensorFlow where it is installed, quiet and away from the accelerator."""

import functools
import os
from types import ModuleType


@functools.cache
def import_tensorflow() -> ModuleType | None:
    """The tensorflow module, or None where it is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # else it announces that it is on
    try:
        import tensorflow
    except ImportError:
        return None
    # TensorFlow would take the memory of the GPU that JAX is to use.
    tensorflow.config.set_visible_devices([], "GPU")
    return tensorflow
