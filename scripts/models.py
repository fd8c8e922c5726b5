"""What each network costs; with a name, that network layer by layer."""

import json
from pathlib import Path
from typing import Annotated, Any

import tyro

from reid_jax import cli
from reid_jax.files import check_destinations, write_text
from reid_jax.models import backbone_names
from reid_jax.models.keyframe_sizes import (
    KEYFRAME_MODELS,
    keyframes_table,
    summarize_keyframes,
)
from reid_jax.models.summary import layer_table, markdown_table, summarize
from reid_jax.models.temporal.summary import (
    summarize_temporal,
    temporal_module_names,
    temporal_table,
)


def models(
    name: Annotated[str | None, tyro.conf.Positional] = None,
    /,
    *,
    size: int | None = None,
    compiled: bool = True,
    speed: bool = False,
    temporal: bool = False,
    keyframes: bool = False,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Prints the table of all networks, or the layers of one.

    Args:
        name: One network, to be printed layer by layer.
        size: Side of the images in pixels instead of each network's own.
        compiled: Also count the multiply-adds in the compiled program (some seconds a network).
        speed: Also measure images a second on this device (slow on a CPU).
        temporal: Instead of image networks, what modules over the frames of a video cost.
        keyframes: Instead of image networks, the parts of the two keyframe networks from images.
        json_file: Write the table there too.
    """
    check_destinations(json_file)
    if name is not None:
        print(layer_table(name, input_size=size))
        return
    if keyframes:
        rows = [summarize_keyframes(each, input_size=size, speed=speed) for each in KEYFRAME_MODELS]
        print(keyframes_table(rows))
        _write(rows, json_file)
        return
    rows = []
    for each in temporal_module_names() if temporal else backbone_names():
        if temporal:
            rows.append(summarize_temporal(each, speed=speed))
        else:
            rows.append(summarize(each, input_size=size, compiled=compiled, speed=speed))
        lines = (temporal_table if temporal else markdown_table)(rows).splitlines()
        print("\n".join(lines if len(rows) == 1 else lines[-1:]), flush=True)
    _write(rows, json_file)


def _write(rows: list[dict[str, Any]], json_file: Path | None) -> None:
    if json_file:
        write_text(json_file, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    cli.run(models)
