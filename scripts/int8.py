"""What 8-bit integers are worth in each engine, kept in scripts/results/int8.json.

    python -m scripts.int8
    python -m scripts.int8 --runs runs/lite0 runs/tvsum --engines onnx openvino

Networks have drawn weights and are calibrated with drawn pictures: of them size and speed count.
Quality is that of runs, on their own test photos or videos. What is kept is measured again only
with `--again`. `python -m scripts.tables` writes the page.
"""

import dataclasses
import json
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tyro.conf import Positional

import reid_jax as rj
from reid_jax import configurations
from reid_jax.architectures.keyframes import KEYFRAME_MODELS
from reid_jax.commands import terminal
from reid_jax.errors import UserError
from reid_jax.export.engines.table import engine
from reid_jax.export.folder import export
from reid_jax.export.int8.table import NAMES
from reid_jax.export.pictures import drawn, drawn_films
from reid_jax.export.program import Program, Target
from reid_jax.export.trial import Trial, in_calls
from reid_jax.files import write_text
from reid_jax.keyframes.experiment import make_task
from reid_jax.keyframes.model import TrainedScorer
from reid_jax.keyframes.trial import film_trial
from reid_jax.plan.measure import device_name
from scripts.engines import program_of, with_statistics

FILE = Path(__file__).parent / "results" / "int8.json"
NETWORKS = ("resnet50", "efficientnet_b0", *KEYFRAME_MODELS)
_SIZE = 128
_BATCH = 8
_PICTURES, _FRAMES = 48, 40


def main(
    networks: Positional[tuple[str, ...]] = NETWORKS,
    runs: tuple[Path, ...] = (),
    engines: tuple[Target, ...] = NAMES,
    again: bool = False,
    file: Path = FILE,
) -> None:
    """Exports networks or runs in 8 bits, and keeps what that costs and gives.

    Args:
        networks: Names of the registry, "Model 1" and "Model 2".
        runs: Folders of runs, in the place of networks.
        engines: Of onnx, openvino and litert.
        again: Also measure what is kept.
        file: Where it is kept.
    """
    rows: list[dict[str, Any]] = json.loads(file.read_text()) if file.is_file() else []
    for name in map(str, runs or networks):
        for to in engines:
            network = Path(name).name
            there = [row for row in rows if (row["network"], row["engine"]) == (network, to)]
            if there and not again:
                continue
            row = measured(name, to, run=bool(runs))
            rows = [each for each in rows if each not in there] + [row]
            write_text(file, json.dumps(rows, indent=1) + "\n")
            print(json.dumps(row), flush=True)


def measured(name: str, to: Target, *, run: bool) -> dict[str, Any]:
    """What an engine makes of a network with drawn weights, or of a run."""
    batch = _BATCH if engine(to).fixed else 0
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out"
        row: dict[str, Any] = {
            "network": Path(name).name,
            "weights": "of the run" if run else "drawn",
            "engine": to,
            "date": datetime.now(UTC).date().isoformat(),
            "device": device_name(),
            "versions": {each: version(each) for each in ("jax", engine(to).needs)},
        }
        try:
            if run:
                rj.load(name).export(to, out, batch=batch, int8=True)
            else:
                program, trial = drawn_program(name)
                export(program, to, out, batch=batch, trial=trial)
        except UserError as error:
            return row | {"refused": str(error)}
        facts = json.loads((out / "model.json").read_text())
    size = facts["input"]["shape"][1]
    row |= {"size": size if facts["input"]["name"] == "image" else None, **facts["int8"]}
    if batch:  # what it takes for fewer rows is what it takes for these
        row["faster"] = {str(batch): row["faster"][str(batch)]}
    return row


def drawn_program(name: str) -> tuple[Program, Trial]:
    """A network with drawn weights, and drawn pictures to calibrate it with."""
    if name in KEYFRAME_MODELS:
        scorer = drawn_scorer(name)
        films = [drawn_films(scorer.config.data.image_size, _FRAMES)]
        return scorer.program(), film_trial(films, "drawn animals", _FRAMES, [], "nothing")
    program = dataclasses.replace(program_of(name, _SIZE), facts={"distance": "cosine"})
    pictures = [drawn(number, _SIZE, _SIZE) for number in range(_PICTURES)]
    calls = in_calls(np.stack([np.asarray(each) for each in pictures]))
    about = f"{_PICTURES} drawn animals"
    return program, Trial(calls, about, (), "nothing", lambda answers: ({}, np.zeros(0)))


def drawn_scorer(name: str) -> TrainedScorer:
    """Keyframe Model 1 or 2 as its configuration builds it, with drawn weights."""
    backbone, _ = KEYFRAME_MODELS[name]
    config = configurations.get(f"tvsum_{backbone}")
    size = config.data.image_size
    batch = {"image": np.zeros((1, 4, size, size, 3), np.uint8)}
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, pretrained="", dtype="float32")
    )
    params, state = make_task(config).init(jax.random.key(0), batch)
    return TrainedScorer(Path(name), config, params, with_statistics(dict(state)), 0)


if __name__ == "__main__":
    terminal.run(main)
