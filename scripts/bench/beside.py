"""Runs what one would use instead: a script in its own process and environment.

A peer gets one argument, JSON: what its suite passes, `inputs` (paths of .npz files, one a call,
the first to warm up) and `device`. Its last line of output is JSON: `seconds` and `spread` as in
`measure`, `loss` (a number a call), and, where it can tell, `peak_memory_bytes` and `versions`.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.errors import UserError
from reid_jax.plan.process import why_it_failed

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 300.0  # seconds; a peer that takes longer is said to


@dataclass(frozen=True)
class PeerResult:
    """What the peer said; ``failure`` in a few words where it did not, and nothing else then."""

    seconds: float | None = None
    spread: float | None = None
    loss: tuple[float, ...] = ()
    peak_memory_bytes: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None


def run_peer(
    name: str,
    arguments: Mapping[str, Any],
    make_inputs: Callable[[int], Mapping[str, np.ndarray]] | None = None,
    *,
    repeats: int = 5,
    timeout: float = TIMEOUT,
) -> PeerResult:
    """Runs ``scripts/bench/peers/NAME.py`` with PEER_PYTHON, or with what ``make peers`` installed.

    ``make_inputs``: seed -> arrays, with the seeds of `measure`; ``repeats + 1`` files are passed.

    Raises:
      UserError: when there is no such Python.
    """
    python = os.environ.get("PEER_PYTHON") or str(ROOT / ".venv-peers" / "bin" / "python")
    device = "cpu" if jax.default_backend() == "cpu" else "cuda"
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for seed in range(repeats + 1 if make_inputs else 0):
            paths.append(str(Path(folder) / f"{seed}.npz"))
            np.savez(paths[-1], **make_inputs(seed))  # type: ignore[misc]
        request = json.dumps({**arguments, "inputs": paths, "device": device, "repeats": repeats})
        try:
            done = subprocess.run(
                [python, str(ROOT / "scripts" / "bench" / "peers" / f"{name}.py"), request],
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError as error:
            raise UserError(
                f"{python} is not there to run the peers: make them with `make peers`, or set "
                "PEER_PYTHON to a Python with PyTorch."
            ) from error
        except subprocess.TimeoutExpired:
            return PeerResult(failure=f"took more than {timeout:.0f} s")
    if done.returncode:
        return PeerResult(failure=f"failed: {why_it_failed(done)[:120]}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    loss = said.pop("loss", ())
    return PeerResult(**said, loss=tuple(np.atleast_1d(loss).tolist()))


def difference(ours: Any, peer: PeerResult) -> float:
    """The largest relative difference between the losses of the same calls; nan without any."""
    if not peer.loss:
        return float("nan")
    mine = np.asarray(ours, np.float64)[: len(peer.loss)]
    theirs = np.asarray(peer.loss, np.float64)
    return float(np.max(np.abs(mine - theirs) / np.maximum(np.abs(theirs), 1e-12)))
