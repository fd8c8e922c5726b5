"""Accelerators by name: a small file of public figures each, in `plan/devices`."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reid_jax.errors import UserError

_FOLDER = Path(__file__).parent / "devices"
_MOST = 1024


@dataclass(frozen=True)
class Links:
    """Bytes a second that a device sends, one way.

    Attributes:
      fast: among `group` devices (a machine's GPUs, a pod of TPUs).
      slow: beyond them, a device's share.
      seconds: that an exchange takes to start, for each doubling of the devices (assumed).
    """

    fast: float
    group: int
    slow: float
    seconds: float


@dataclass(frozen=True)
class Accelerator:
    """What is published of a device.

    Attributes:
      key: what it is asked for by, "h100".
      kind: whose compiler it has.
      operations_per_second: by precision of a product: "bfloat16", "float32" (as JAX computes it by
        default: TF32 on NVIDIA, bfloat16 passes on a TPU), "highest" (full float32).
      compiler: what the compiler is told.
    """

    key: str
    name: str
    kind: Literal["nvidia", "tpu"]
    memory_bytes: float
    bytes_per_second: float
    operations_per_second: Mapping[str, float]
    links: Links
    source: str
    compiler: Mapping[str, Any]

    def counts(self) -> list[int]:
        """Numbers of devices that there are programs for, to 1,024."""
        if self.kind == "nvidia":
            group = self.links.group
            return [*range(1, group + 1), *range(2 * group, _MOST + 1, group)]
        return sorted({*map(int, self.compiler["topologies"]), *self.compiler.get("slices", ())})

    def check(self, devices: int) -> None:
        """Refuses a number of devices that none is built with.

        Raises:
          UserError: with the numbers that there are.
        """
        if devices in self.counts():
            return
        group = self.links.group
        there = (
            f"1 to {group} of one machine, or whole machines of {group} up to {_MOST:,}"
            if self.kind == "nvidia"
            else ", ".join(f"{count:,}" for count in self.counts())
        )
        raise UserError(f"There is no {self.name} of {devices:,} devices; there are {there}.")


def accelerator(name: str) -> Accelerator:
    """The figures of an accelerator.

    Raises:
      UserError: it is not known; with the names that are.
    """
    known = accelerators()
    if name.lower() not in known:
        near = difflib.get_close_matches(name.lower(), known, 1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise UserError(f"The device {name!r} is unknown: use one of {', '.join(known)}{hint}")
    values = tomllib.loads((_FOLDER / f"{name.lower()}.toml").read_text("utf-8"))
    values["links"] = Links(**values["links"])
    return Accelerator(key=name.lower(), **values)


def accelerators() -> list[str]:
    """Their names, NVIDIA's first."""
    order = ["h100", "h200", "a100", "b200", "l4", "v5e", "v5p", "v6e"]
    there = sorted(path.stem for path in _FOLDER.glob("*.toml"))
    return [name for name in order if name in there] + [n for n in there if n not in order]
