"""Plans of steps, trainings and searches on accelerators, kept under scripts/results/.

    python -m scripts.plans steps training embedding search

Each plan is compiled in a process of its own and kept as it comes; one that is kept already is not
made again. The extra `plan` is needed. `python -m scripts.tables` writes the pages.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from tyro.conf import Positional

from reid_jax import configurations
from reid_jax.commands import terminal
from reid_jax.errors import UserError
from reid_jax.fields import with_values
from reid_jax.files import write_text
from reid_jax.plan.plan import Question, plan

FILE = Path(__file__).parent / "results" / "plans.json"


class Plan(NamedTuple):
    """A plan by the page's group and what changes in the configuration, "model.dtype": ..."""

    group: str
    config: str
    asked: Question
    changes: Mapping[str, Any] = MappingProxyType({})

    @property
    def key(self) -> dict[str, Any]:
        """What names it in the file."""
        asked = {name: value for name, value in dataclasses.asdict(self.asked).items() if value}
        return json.loads(
            json.dumps({"group": self.group, "config": self.config, **self.changes, **asked})
        )


def main(groups: Positional[tuple[str, ...]], file: Path = FILE, again: bool = False) -> None:
    """Makes the plans of some groups that are not kept yet.

    Args:
        groups: Of steps, training, embedding and search.
        file: Where they are kept.
        again: Make those that are kept, too.
    """
    kept: list[dict[str, Any]] = json.loads(file.read_text()) if file.is_file() else []
    known = [] if again else [row for row in kept if "refused" not in row]
    for each in (one for name in groups for one in GROUPS[name]()):
        if any(row["asked"] == each.key for row in known):
            continue
        row = next((row for row in known if row["asked"] | {"group": each.group} == each.key), {})
        if not row:  # nor is it another group's
            row = _made(each)
        row = row | {"asked": each.key}
        kept = [one for one in kept if one["asked"] != each.key] + [row]
        write_text(file, json.dumps(kept, indent=1) + "\n")
        if "refused" not in row:
            known.append(row)
        told = (
            row.get("refused") or f"{row['kernels']:,.0f} kernels, {row['hbm_bytes'] / 1e9:.2f} GB"
        )
        print(f"{each.config} {each.asked.device} x {each.asked.devices[0]}: {told}", flush=True)


def _made(each: Plan) -> dict[str, Any]:
    try:
        (row,) = plan(with_values(configurations.get(each.config), each.changes), each.asked)
    except UserError as error:
        row = {"refused": str(error)}
    return row | {"date": datetime.now(UTC).date().isoformat(), "jax": version("jax")}


def steps() -> Iterator[Plan]:
    """One step of each network, on one device and on eight."""
    h100, eight = (Question("h100", (count,), identities=1000) for count in (1, 8))
    yield Plan("steps", "throughput_resnet50", h100)
    yield Plan("steps", "throughput_resnet50", eight, {"data.batch_size": 2048})
    parts = {"data.batch_size": 2048, "model.batch_norm": "device"}
    yield Plan("steps", "throughput_resnet50", eight, parts)
    yield Plan("steps", "throughput_efficientnet_b0", h100)
    yield Plan("steps", "throughput_resnet18", h100)
    many = {"data.input": "resident", "train.steps_per_call": 50}
    yield Plan("steps", "throughput_small", h100, many)
    yield Plan("steps", "turtles_arcface", h100)
    vit = {"model.backbone": "vit_small_patch16_224"}
    yield Plan("steps", "throughput_resnet50", h100, vit)
    images = {"model.pretrained": ""}
    yield Plan("steps", "tvsum_resnet50", Question("h100", (1,), identities=40), images)
    v5e = Question("v5e", (1,), identities=1000)
    yield Plan("steps", "throughput_resnet50", v5e, {"data.batch_size": 64})


def training() -> Iterator[Plan]:
    """Weak and strong scaling of ResNet-50, and heads that grow."""
    for device, share, counts in (("h100", 256, (1, 8, 64, 256, 1024)), ("v5e", 64, (8, 256))):
        for count in counts:
            ask = Question(device, (count,), identities=100_000)
            yield Plan("weak", "throughput_resnet50", ask, {"data.batch_size": share * count})
    for count in (8, 64, 256, 1024):
        ask = Question("h100", (count,), identities=100_000)
        yield Plan("strong", "throughput_resnet50", ask, {"data.batch_size": 16_384})
    for individuals in (10_240, 102_400, 1_024_000, 10_240_000):  # which 64 devices divide
        ask = Question("h100", (64,), identities=individuals)
        yield Plan("heads", "throughput_resnet50", ask, {"data.batch_size": 16_384})


def embedding() -> Iterator[Plan]:
    """A batch of photos, whose rate says how long a collection takes."""
    for device in ("h100", "l4", "v5e"):
        ask = Question(device, (1,), what="embed", identities=1000)
        yield Plan("embedding", "throughput_resnet50", ask)


def search() -> Iterator[Plan]:
    """The ten nearest of 10,000 photos in galleries of 10^6 to 10^9."""
    for gallery, count in ((10**6, 1), (10**7, 1), (10**8, 8), (10**9, 64)):
        ask = Question("h100", (count,), what="search", gallery=gallery, identities=1000)
        yield Plan("search", "turtles_arcface", ask)


GROUPS = {"steps": steps, "training": training, "embedding": embedding, "search": search}

if __name__ == "__main__":
    terminal.run(main)
