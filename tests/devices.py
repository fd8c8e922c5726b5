"""What XLA is told in tests and in the processes that they start."""

import os
from importlib.metadata import version

# XLA ends a process that names a flag it does not know; jaxlib 0.12 has no other emitters.
_EMITTERS = version("jaxlib").startswith("0.10.")
QUICK = "--xla_cpu_use_fusion_emitters=false " * _EMITTERS + (
    "--xla_cpu_parallel_codegen_split_count=1"
)
"""Makes the compiler four times as fast on small networks, and what it makes as good for tests."""


def xla_flags(devices: int) -> str:
    """The value of XLA_FLAGS for a process with so many CPU devices, otherwise as it is here."""
    return f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
