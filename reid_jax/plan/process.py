"""Functions that need a process of their own, with devices or a cache of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from reid_jax.errors import UserError

_CHILD = """
import importlib, json, sys
from reid_jax.errors import UserError
module, name, arguments = json.loads(sys.argv[1])
try:
    answer = {"answer": getattr(importlib.import_module(module), name)(**arguments)}
except UserError as error:
    answer = {"refused": str(error)}
print(json.dumps(answer))
"""


def in_process(
    module: str, name: str, arguments: Mapping[str, Any], environment: Mapping[str, str], what: str
) -> Any:
    """What `module.name(**arguments)` returns in a fresh process; both sides are JSON.

    Args:
      module, name: of the function.
      arguments: by name.
      environment: variables that the process has beside, or in place of, this one's. It takes
        memory of a GPU only as it needs it, as the process that waits may hold most of it; and
        JAX writes no remark of its own below an error, whose last line is what is told.
      what: is named where it fails: "2 devices".

    Raises:
      UserError: it failed, with what it complained of; or the function's own.
    """
    own = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "JAX_TRACEBACK_FILTERING": "off"}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, json.dumps([module, name, arguments])],
        env={**os.environ, **own, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(f"{what}: {why_it_failed(done)}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    if "refused" in said:
        raise UserError(said["refused"])
    return said["answer"]


def why_it_failed(done: subprocess.CompletedProcess[str]) -> str:
    """The last line that a process complained with; of a silent one, how it ended."""
    lines = done.stderr.strip().splitlines()
    if lines:
        return lines[-1]
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        memory = ", often for want of memory" if name == "SIGKILL" else ""
        return f"it was ended by {name}{memory}, and said nothing"
    return f"exit status {done.returncode}, and it said nothing"
