"""A program in 8-bit integers beside the same in float32: made, compared, and put in its place."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import counting, say
from reid_jax.errors import UserError
from reid_jax.export.check import padded, turns
from reid_jax.export.engines.engine import Asked, Engine
from reid_jax.export.int8.quantiser import LAYERS, Layer, Quantiser
from reid_jax.export.program import Answers, Program
from reid_jax.export.trial import Trial

GOOD = 0.1
"""Of what differs between inputs, the part that 8 bits may change before layers are kept."""

_WORTH_KEEPING = 0.8  # of the error in 8 bits, above which float32 is not worth a layer's size
_COMPARED = 4  # calls by which that is found
_TIMED = (1, 8)
_LESS = {"Rank-1": 0.005, "mAP": 0.005, "Kendall": 0.01, "Spearman": 0.01}
_LESS_OTHERWISE = 0.005


@dataclass(frozen=True)
class Measured:
    """What a program is and does.

    Attributes:
      bytes: of its files.
      milliseconds: by the number of rows, the median of calls.
      measures: by name, on what is judged.
    """

    bytes: int
    milliseconds: dict[int, float]
    measures: dict[str, float]


@dataclass(frozen=True)
class Eight:
    """What came of 8-bit integers.

    Attributes:
      calibrated_with, judged_on: for people.
      kept: layers that are left in float32, as that helps.
      errors: by the layers that were kept, of what differs between inputs the part that changes.
      float32, int8: measured in turns.
      faster: by the number of rows, how many times as fast int8 is, the median of turns.
      agreement: of the first answers, the share that is the same; None where nothing was judged.
    """

    calibrated_with: str
    judged_on: str
    kept: list[str]
    errors: dict[str, float]
    float32: Measured
    int8: Measured
    faster: dict[int, float]
    agreement: float | None = field(default=None)

    def as_json(self) -> dict[str, Any]:
        """As `model.json` keeps it."""
        return asdict(self)


def in_eight_bits(
    program: Program,
    found: Engine,
    by: Quantiser,
    folder: Path,
    facts: dict[str, Any],
    batch: int,
    trial: Trial,
) -> Eight:
    """Puts an engine's 8-bit program in the place of its float32 one, and says what that costs.

    Args:
      folder: of the float32 program, which has been compared with JAX.
      facts: of `model.json`.
      batch: rows at a time, where the engine knows; else 0.
    """
    calls, tests, judged_on = list(trial.calibration), list(trial.tests), trial.judged_on
    if batch:
        calls = _of_size(calls, batch, program.apart)
        if not program.apart and tests:
            tests, judged_on = [], f"nothing: the program takes {batch} frames, not whole films"

    def opened(place: Path) -> Asked:
        return padded(found.opened(place, facts), batch, program.apart)

    def opened_again(place: Path) -> Asked:
        try:
            return opened(place)
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise UserError(
                f"{found.title} cannot run its own 8-bit program of this network ({reason}); "
                "export it without --int8, or to another engine."
            ) from error

    with tempfile.TemporaryDirectory(dir=folder) as made:
        before = opened(folder)

        def write(place: Path, kept: Sequence[Layer]) -> None:
            by.write(folder, place, program.name, calls, kept)

        say(f"finding ranges by {trial.about}")
        kept, errors, after = _with_kept(Path(made), write, opened_again, before, calls)
        whole = opened_again(after)
        rows = program.rows
        counts = sorted({min(max(count, program.least), len(rows)) for count in _TIMED})
        if batch and not program.apart:
            counts = [batch]
        times = {
            count: turns(
                functools.partial(before, rows[:count]), functools.partial(whole, rows[:count])
            )
            for count in counts
        }
        worth: list[dict[str, float]] = [{}, {}]
        agreement = None
        if tests:
            worth, agreement = _judged(trial, tests, before, whole)
        sizes = [_size(place, found) for place in (folder, after)]
        for file in found.files:
            shutil.move(after / file, folder / file)
    milliseconds = [
        {count: float(np.median(each[:, side])) for count, each in times.items()} for side in (0, 1)
    ]
    float32, int8 = (
        Measured(size, spent, measures)
        for size, spent, measures in zip(sizes, milliseconds, worth, strict=True)
    )
    faster = {count: float(np.median(each[:, 0] / each[:, 1])) for count, each in times.items()}
    named = {" and ".join(layers) or "none": error for layers, error in errors.items()}
    return Eight(trial.about, judged_on, list(kept), named, float32, int8, faster, agreement)


def _of_size(calls: Sequence[np.ndarray], batch: int, apart: bool) -> list[np.ndarray]:
    """The same for a program of one number of rows; what is left of a film is left out."""
    if apart:
        rows = np.concatenate(calls)
        rows = rows[np.arange(-(-len(rows) // batch) * batch) % len(rows)]
        return [rows[start : start + batch] for start in range(0, len(rows), batch)]
    cut = [part[: len(part) // batch * batch] for part in calls]
    whole = [part for part in cut if len(part)]
    if not whole:  # films that are too short for it: their last frame stands still
        whole = [np.concatenate([part, part[-1:].repeat(batch - len(part), 0)]) for part in calls]
    return [part[start : start + batch] for part in whole for start in range(0, len(part), batch)]


def _with_kept(
    made: Path,
    write: Callable[[Path, Sequence[Layer]], None],
    opened: Callable[[Path], Asked],
    before: Asked,
    calls: Sequence[np.ndarray],
) -> tuple[tuple[Layer, ...], dict[tuple[Layer, ...], float], Path]:
    """Layers that stay in float32 as that helps, what was found, and where that program is."""
    some = [calls[place] for place in np.linspace(0, len(calls) - 1, _COMPARED).astype(int)]
    expected = [before(rows) for rows in some]
    errors: dict[tuple[Layer, ...], float] = {}

    def tried(kept: tuple[Layer, ...]) -> float:
        place = made / ("-".join(kept) or "none")
        place.mkdir()
        write(place, kept)
        ask = opened(place)
        errors[kept] = changed([ask(rows) for rows in some], expected)
        return errors[kept]

    first = tried(())
    best: tuple[Layer, ...] = ()
    if first > GOOD:
        helpful = [layer for layer in LAYERS if tried((layer,)) < _WORTH_KEEPING * first]
        if len(helpful) > 1:
            tried(tuple(helpful))
        if helpful:
            best = min(errors, key=errors.__getitem__)
    return best, errors, made / ("-".join(best) or "none")


def changed(found: Sequence[Answers], expected: Sequence[Answers]) -> float:
    """Of what differs between rows, the part that is another; the largest over all outputs.

    That is |found - expected| / |expected - its mean over rows|, Frobenius norms.
    """
    worst = 0.0
    for name in expected[0]:
        right = np.concatenate([each[name] for each in expected]).astype(np.float64)
        given = np.concatenate([each[name] for each in found]).astype(np.float64)
        spread = float(np.linalg.norm(right - right.mean(axis=0)))
        worst = max(worst, float(np.linalg.norm(given - right)) / max(spread, 1e-12))
    return worst


def _judged(
    trial: Trial, tests: Sequence[np.ndarray], before: Asked, after: Asked
) -> tuple[list[dict[str, float]], float]:
    """What both are worth, and of their first answers the share that is the same."""
    answers: list[list[Answers]] = [[], []]
    for rows in counting(tests, "asking both", "calls"):
        for ask, found in zip((before, after), answers, strict=True):
            found.append(ask(rows))
    both = [trial.worth(found) for found in answers]
    return [measures for measures, _ in both], float(np.mean(both[0][1] == both[1][1]))


def _size(folder: Path, found: Engine) -> int:
    return sum((folder / file).stat().st_size for file in found.files)


def lines(eight: Mapping[str, Any], title: str) -> list[str]:
    """What came of it as a table of Markdown and sentences, of what `model.json` keeps."""
    wide, small = eight["float32"], eight["int8"]
    counts = list(wide["milliseconds"])
    names = list(wide["measures"])
    head = ["", "MB", *(f"ms, {count} at a time" for count in counts), *names]
    rows = [["---"] + ["---:"] * (len(head) - 1)]
    for name, of in (("float32", wide), ("int8", small)):
        times = [f"{of['milliseconds'][count]:.1f}" for count in counts]
        rows.append([name, f"{of['bytes'] / 1e6:.1f}", *times])
        rows[-1] += [f"{of['measures'][each]:.3f}" for each in names]
    found = [f"| {' | '.join(row)} |" for row in [head, *rows]]
    times_smaller = wide["bytes"] / small["bytes"]
    found.append("")
    said = f"int8 is {times_smaller:.1f} times smaller"
    faster = ", ".join(f"{eight['faster'][count]:.2f} at {count}" for count in counts)
    found.append(f"{said}; its speed is that of float32 times {faster}, on this machine.")
    found.append(f"Ranges by {eight['calibrated_with']}; judged on {eight['judged_on']}.")
    if eight["agreement"] is not None:
        found[-1] += f" The first answer is the same for {eight['agreement']:.1%}."
    if eight["kept"]:
        kept = " and the ".join(f"{layer} layer" for layer in eight["kept"])
        found.append(f"In float32 stays, as that helps, the {kept}.")
    return found + warnings(eight, title)


def warnings(eight: Mapping[str, Any], title: str) -> list[str]:
    """Sentences for what 8 bits are not good for here."""
    found = []
    slower = {count: ratio for count, ratio in eight["faster"].items() if ratio < 1}
    if slower:
        where = ", ".join(f"{1 / ratio:.2f} times at {count}" for count, ratio in slower.items())
        found.append(f"int8 is slower than float32 in {title} here: {where}.")
    for name, wide in eight["float32"]["measures"].items():
        lost = wide - eight["int8"]["measures"][name]
        if lost > _LESS.get(name, _LESS_OTHERWISE):
            found.append(f"int8 loses {lost:.3f} of {name}.")
    return found
