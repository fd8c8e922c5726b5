"""Which engine takes which network, kept in scripts/results/engines.json.

    python -m scripts.engines

Every network of the registry, with drawn weights and at a small size, is written for each engine
and compared with JAX. What is kept is not made again. `python -m scripts.tables` writes the page.
"""

import json
import tempfile
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tyro.conf import Positional

from reid_jax.commands import terminal
from reid_jax.errors import UserError
from reid_jax.export.check import compared
from reid_jax.export.engines.onnx import graph
from reid_jax.export.engines.table import NAMES, engine
from reid_jax.export.pictures import drawn_photos
from reid_jax.export.program import Program
from reid_jax.files import write_text
from reid_jax.models import backbone_info, backbone_names, create_backbone
from reid_jax.plan.measure import device_name

FILE = Path(__file__).parent / "results" / "engines.json"
_SMALL = 64
_OWN_SIZE = ("vit", "swin")  # whose positions go with a number of patches


def main(
    networks: Positional[tuple[str, ...]] = (), engines: tuple[str, ...] = NAMES, file: Path = FILE
) -> None:
    """Writes networks for engines, compares them with JAX, and keeps what came of it.

    Args:
        networks: Names of the registry; all unless given.
        engines: Of onnx, openvino, litert and stablehlo.
        file: Where it is kept.
    """
    rows: list[dict[str, Any]] = json.loads(file.read_text()) if file.is_file() else []
    known = {(row["network"], row["engine"]) for row in rows}
    for network in networks or backbone_names():
        for name in engines:
            if (network, name) in known:
                continue
            row = measured(network, name)
            rows.append(row)
            write_text(file, json.dumps(rows, indent=1) + "\n")
            print(json.dumps(row), flush=True)


def measured(network: str, name: str, size: int = 0) -> dict[str, Any]:
    """What an engine makes of a network: the difference on 1, 3 and 8 photos, and the size.

    Args:
      size: side of the photos; a small one unless given.
    """
    found, program = engine(name), program_of(network, size or size_of(network))
    batch = int(found.fixed)
    row = {
        "network": network,
        "engine": name,
        "size": program.rows.shape[1],
        "date": datetime.now(UTC).date().isoformat(),
        "device": device_name(),
        "versions": {each: version(each) for each in ("jax", found.needs)},
    }
    try:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            found.write(program, folder, batch)
            facts = {"outputs": [{"name": "features"}], "input": {"name": program.name}}
            agreed = compared(program, found.opened(folder, facts), batch)
            row["bytes"] = sum((folder / each).stat().st_size for each in found.files)
    except UserError as error:
        return row | {"refused": str(error)}
    row |= {"difference": max(agreed.differences.values())}
    if name == "onnx":
        counted = Counter(node.operation for node in graph(program, 0).nodes)
        row |= {"nodes": counted.total(), "transposes": counted["Transpose"]}
    return row


def size_of(network: str) -> int:
    """The side of the photos that a network is tried with."""
    own = backbone_info(network).inputs.input_size
    return own if network.startswith(_OWN_SIZE) else min(own, _SMALL)


def program_of(network: str, size: int) -> Program:
    """A network with drawn weights, and statistics as a training would leave them."""
    module = create_backbone(network)
    example = jnp.zeros((1, size, size, 3))
    variables = with_statistics(jax.jit(module.init)(jax.random.key(0), example))

    def function(images: jax.Array) -> dict[str, jax.Array]:
        pixels = (images.astype(jnp.float32) / 255 - 0.5) / 0.25
        found: Any = module.apply(variables, pixels)
        return {"features": found}

    compiled = jax.jit(function)
    photos = [np.asarray(each.convert("RGB").resize((size, size))) for each in drawn_photos()]
    return Program(
        function=function,
        name="image",
        rows=np.stack(photos),
        answers=lambda rows: {"features": np.asarray(compiled(rows)["features"])},
        apart=True,
        facts={},
        example="reid_jax.individuals.example",
    )


def with_statistics(variables: Any) -> Any:
    """Variables with drawn statistics of BatchNorm, as a training would leave them, and scales."""
    rng = np.random.default_rng(1)

    def drawn(path: Any, leaf: jax.Array) -> np.ndarray:
        if path[-1].key == "scale" and not np.any(leaf):  # which would leave kernels of zeros
            return rng.uniform(0.2, 0.4, leaf.shape).astype(np.float32)
        if "batch_stats" not in jax.tree_util.keystr(path):
            return np.asarray(leaf)
        low = 0.5 if path[-1].key == "var" else -0.2
        return rng.uniform(low, low + 1.0 if low > 0 else -low, leaf.shape).astype(np.float32)

    return jax.tree_util.tree_map_with_path(drawn, variables)


if __name__ == "__main__":
    terminal.run(main)
