"""The folder of an exported network: written whole when the engine agrees, or not at all."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.export.check import BATCHES, MOST, Found, compared
from reid_jax.export.engines.engine import Engine
from reid_jax.export.engines.table import engine
from reid_jax.export.int8.made import in_eight_bits, lines
from reid_jax.export.int8.table import quantiser
from reid_jax.export.pictures import drawn
from reid_jax.export.program import Known, Program
from reid_jax.export.tracing import MOST_FRAMES
from reid_jax.export.trial import Trial
from reid_jax.files import check_new, whole_folder, write_arrays

FORM = 1
FACTS, EXAMPLE, README, REFERENCE = "model.json", "example.py", "README.md", "reference.npz"
GALLERY = "gallery.npz"
_PICTURES = {"one.png": (0, 160, 120), "two.png": (1, 131, 97)}


def export(
    program: Program,
    to: str,
    out: Path,
    *,
    batch: int = 0,
    known: Known | None = None,
    trial: Trial | None = None,
) -> Path:
    """Writes a program for an engine; see `Exportable.export`.

    Raises:
      UserError: see there.
    """
    if batch < 0:
        raise UserError(f"--batch is {batch}; it must be 0 for any number of rows, or above.")
    if batch and not program.apart and not program.least <= batch <= len(program.rows):
        raise UserError(
            f"--batch is {batch}; of the frames of a film it must be from {program.least} to "
            f"{len(program.rows)}."
        )
    if known is not None and known.fingerprint != program.fingerprint:
        raise UserError("The gallery was built with another network than the one that is exported.")
    found, by = engine(to), None if trial is None else quantiser(to)
    check_new(out)
    if found.fixed and not batch:
        if not program.apart:
            raise UserError(f"{found.title} takes one number of frames; say which with --batch.")
        batch = 1
        say(f"{found.title} takes one number of photos at a time: 1; --batch says another")
    say(f"writing {found.title}")
    with whole_folder(out) as folder:
        found.write(program, folder, batch)
        facts = _facts(program, found, to, batch, known)
        say("comparing it with JAX")
        agreed = compared(program, found.opened(folder, facts), batch)
        facts["checked"] = {
            "most": MOST,
            "differences": {str(count): value for count, value in agreed.differences.items()},
            "versions": _versions(found),
        }
        if by is not None and trial is not None:
            made = in_eight_bits(program, found, by, folder, facts, batch, trial)
            facts["int8"] = made.as_json()
        _write_beside(program, found, folder, known, facts)
    _print(found, out, facts, agreed)
    return out


def _facts(
    program: Program, found: Engine, to: str, batch: int, known: Known | None
) -> dict[str, Any]:
    """What `model.json` says before the check."""
    shapes = jax.eval_shape(
        program.function, jax.ShapeDtypeStruct(program.rows.shape, program.rows.dtype)
    )
    count: Any = batch or "N"
    thresholds = dict(program.facts.get("thresholds", {}))
    if known is not None:
        thresholds["unknown"] = known.threshold
    rows = len(program.rows)
    return {
        "form": FORM,
        "made_by": f"reid_jax {_version('reid-jax')}",
        "engine": to,
        "batch": batch,
        "rows": "photos" if program.apart else "frames of one film",
        **({} if program.apart else {"frames_at_least": program.least, "frames": MOST_FRAMES}),
        **program.facts,
        "input": {
            "name": program.name,
            "dtype": str(program.rows.dtype),
            "shape": [count, *program.rows.shape[1:]],
            **program.facts.get("input", {}),
        },
        "outputs": [
            {
                "name": name,
                "dtype": str(each.dtype),
                "shape": [count if size == rows else size for size in each.shape[:1]]
                + list(each.shape[1:]),
            }
            for name, each in shapes.items()
        ],
        "thresholds": thresholds,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _versions(found: Engine) -> dict[str, str]:
    packages = ["jax", "numpy", *(each.split("[")[0] for each in found.needs.split())]
    return {name: _version(name) for name in dict.fromkeys(packages)}


def _write_beside(
    program: Program, found: Engine, folder: Path, known: Known | None, facts: dict[str, Any]
) -> None:
    rows = program.rows[: max(BATCHES)] if program.apart else program.rows
    if facts["batch"] and not program.apart:
        rows = rows[: facts["batch"]]
    write_arrays(folder / REFERENCE, {program.name: rows, **program.answers(rows)})
    if known is not None:
        names = np.asarray(known.identities).astype(str)
        write_arrays(folder / GALLERY, {"embeddings": known.embeddings, "identities": names})
    for file, arrays in program.beside.items():
        write_arrays(folder / file, arrays)
    if program.name == "image" and program.apart:
        for name, asked in _PICTURES.items():
            drawn(*asked).save(folder / name)
    (folder / EXAMPLE).write_text(example_of(program, found), encoding="utf-8")
    (folder / README).write_text(_readme(program, found, facts), encoding="utf-8")
    there = sorted(path for path in folder.iterdir() if path.name != FACTS)
    facts["sha256"] = {path.name: _digest(path) for path in there}
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def example_of(program: Program, found: Engine) -> str:
    """The text of `example.py`: the question's own, and how its engine is opened."""
    module = inspect.getsource(import_module(program.example))
    opened = inspect.getsource(found.opened).replace(" -> Asked:", ":")
    return f'{module}\n\n{opened}\n\nif __name__ == "__main__":\n    main(opened)\n'


def _readme(program: Program, found: Engine, facts: Mapping[str, Any]) -> str:
    """Ten lines, and of 8-bit integers what these are worth."""
    given = facts["input"]
    results = ", ".join(f"`{one['name']}` {_shape(one['shape'])}" for one in facts["outputs"])
    worst = max(facts["checked"]["differences"].values())
    eight = ["", *lines(facts["int8"], found.title)] if "int8" in facts else []
    wide = "in float32 it differed" if eight else "they differ"
    return "\n".join(
        [
            f"# {facts.get('network', 'A network')}, for {found.title}",
            "",
            f"`{found.files[0]}` takes `{given['name']}`, {given['dtype']} "
            f"{_shape(given['shape'])}, and gives {results}, float32.",
            "All is inside: normalisation, network, pooling, what follows. `model.json` says more.",
            f"`pip install {found.needs} numpy pillow`, then `python {EXAMPLE}` shows its use.",
            f"`{REFERENCE}` holds inputs and JAX's answers; {wide} by {worst:.1e} at most.",
            f"Licence of the weights: {facts.get('licence', 'that of whoever trained them')}.",
            f"Made by {facts['made_by']}; checksums stand in `model.json`.",
            *eight,
            "",
        ]
    )


def _shape(sizes: list[Any]) -> str:
    return f"({', '.join(map(str, sizes))})"


def _print(found: Engine, out: Path, facts: Mapping[str, Any], agreed: Found) -> None:
    size = sum(os.path.getsize(out / name) for name in found.files)
    for count, value in agreed.differences.items():
        line = f"{count} rows: differs by {value:.1e} of the largest output"
        if count in agreed.milliseconds:
            engine_, jax_ = agreed.milliseconds[count]
            line += f"; {engine_:.1f} ms, JAX {jax_:.1f} ms"
        print(line)
    if "int8" in facts:
        print("\n".join(lines(facts["int8"], found.title)))
    print(f"{size / 1e6:.1f} MB in {', '.join(found.files)}; open {out / README}")
