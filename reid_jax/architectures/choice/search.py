"""Candidates trained by successive halving, kept after each, and gone on with where it stopped."""

import json
import re
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from reid_jax.architectures.choice import trial
from reid_jax.architectures.choice.budget import (
    Round,
    rounds_of,
    steps_of,
    unit_seconds,
)
from reid_jax.architectures.choice.candidates import Candidate, Field, field_of
from reid_jax.architectures.choice.page import write_architectures
from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.files import check_destinations, write_text
from reid_jax.training.parallel import make_layout

KEPT = "kept.json"
_FEWEST = 4  # candidates


def compare_architectures(
    source: str,
    minutes: float,
    out: Path,
    *,
    clips: bool = False,
    command: str = "",
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Trains, measures and recommends; writes a report, and goes on where it stopped.

    Args:
      source: of photos, or an H5 file of videos.
      minutes: of all trainings; measuring comes on top.
      out: folder of runs, `KEPT` and the report.
      clips: of videos whether clips are compared, else frames are scored.
      command: as it was given, for the page.
      changes: of the base configuration, by dotted names.

    Returns:
      What ``metrics.json`` holds.

    Raises:
      UserError: the budget is too short, the source cannot be read, or the folder holds another
        comparison.
    """
    if minutes <= 0:
        raise UserError(f"--minutes is {minutes:g}; it must be above 0.")
    check_destinations(folder=out)
    field = field_of(source, clips, changes or {})
    search = _Search(field, out, minutes)
    asked = {"source": source, "minutes": minutes, "clips": clips, "changes": str(changes or {})}
    search.begin(asked)
    search.probe()
    rounds = rounds_of(len(field.candidates))
    search.plan(rounds)
    left = [each.name for each in field.candidates]
    for each in rounds:
        left = search.play(each, left)
    search.try_margins()
    search.judge(left, rounds[-1].seeds)
    device = make_layout(field.base.train.parallel).description
    search.kept |= {
        "question": field.question,
        "title": field.title,
        "monitor": field.monitor,
        "notes": list(field.notes),
        "finalists": left,
        "device": device,
        "command": command,
        "date": date.today().isoformat(),
    }
    search.keep()
    write_architectures(out / "report", search.kept)
    print(f"report: {out / 'report' / 'index.html'}")
    return search.kept


class _Search:
    """What is known so far, in a file after each training."""

    def __init__(self, field: Field, out: Path, minutes: float):
        self.field, self.out, self.minutes = field, out, minutes
        self.by_name = {each.name: each for each in (*field.candidates, *field.margins)}
        self.kept: dict[str, Any] = trial.read_json(out / KEPT)

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Starts, or goes on with the same comparison.

        Raises:
          UserError: the folder holds another one.
        """
        before = self.kept.get("asked")
        if before is not None and before != asked:
            raise UserError(
                f"{self.out} holds a comparison of {before['source']} in {before['minutes']:g} "
                "minutes; give the same options to go on with it, or another --out."
            )
        rows = self.kept.get("candidates", {})
        self.kept |= {
            "asked": dict(asked),
            "minutes": self.minutes,
            "candidates": {
                name: rows.get(name, {"rounds": {}, "judged": {}}) for name in self._own
            },
            "margins": self.kept.get("margins", {}),
        }

    @property
    def _own(self) -> list[str]:
        return [each.name for each in self.field.candidates]

    def keep(self) -> None:
        """Writes what is known."""
        write_text(self.out / KEPT, json.dumps(self.kept, indent=1) + "\n")

    def row(self, name: str) -> dict[str, Any]:
        """What is known of a candidate."""
        found: dict[str, Any] = self.kept["candidates"][name]
        return found

    def probe(self) -> None:
        """Makes a few steps of each candidate, by which its speed is known.

        Raises:
          UserError: the budget ends before the last candidate has been tried.
        """
        started = time.perf_counter()
        for number, candidate in enumerate(self.field.candidates):
            row = self.row(candidate.name)
            if "step" in row:
                continue
            workdir = self._workdir(candidate, 0)
            took = trial.train_to(self.field, candidate, workdir, trial.PROBE, 0)
            size = candidate.of(self.field.base).data.batch_size
            row["step"] = trial.step_seconds(workdir, size)
            row["beside"] = max(took - trial.PROBE * row["step"], 0.0)
            self.keep()
            number_left = len(self.field.candidates) - number - 1
            if number_left and time.perf_counter() - started > 60 * self.minutes:
                tried = f"{number + 1} of {len(self.field.candidates)} candidates"
                raise UserError(
                    f"--minutes {self.minutes:g} is over after {trial.PROBE} steps of {tried}; "
                    f"give at least {len(self.field.candidates) * self.minutes / (number + 1):.0f}."
                )

    def plan(self, rounds: tuple[Round, ...]) -> None:
        """Says how long a unit is; once, so that who goes on keeps to it.

        Raises:
          UserError: see `unit_seconds` and `steps_of`.
        """
        rows = self.kept["candidates"]
        if "unit_seconds" not in self.kept:
            spent = sum(row["beside"] + trial.PROBE * row["step"] for row in rows.values())
            beside = {name: row["beside"] for name, row in rows.items()}
            further = len(self.field.margins)
            unit = unit_seconds(self.minutes, spent, rounds, further, beside)
            slowest = max(rows, key=lambda name: rows[name]["step"])
            steps_of(unit, rows[slowest]["step"], slowest)
            self.kept["unit_seconds"] = unit
            self.kept["rounds"] = [vars(each) for each in rounds]
            self.keep()
        say(f"a unit is {self.kept['unit_seconds']:.0f} s of training")

    def play(self, each: Round, names: list[str]) -> list[str]:
        """Trains a round; the names of those that go on, the best first."""
        for name in names:
            row = self.row(name)
            if (key := str(each.units)) not in row["rounds"]:
                candidate = self.by_name[name]
                workdir = self._workdir(candidate, 0)
                row["steps"] = self._steps(row, each.units)
                trial.train_to(self.field, candidate, workdir, row["steps"], 0)
                row["rounds"][key] = trial.validated(workdir, self.field.monitor)
                self.keep()
            for seed in range(1, each.seeds):
                candidate = self.by_name[name]
                workdir = self._workdir(candidate, seed)
                trial.train_to(self.field, candidate, workdir, self._steps(row, each.units), seed)
        ranked = sorted(names, key=lambda name: -self.row(name)["rounds"][str(each.units)])
        going_on = [one for one in self.kept["rounds"] if one["units"] > each.units]
        kept = ranked[: going_on[0]["candidates"]] if going_on else ranked
        say(f"after {each.units} units: {', '.join(kept)}")
        return kept

    def try_margins(self) -> None:
        """Trains one network at several margins, a unit each."""
        for candidate in self.field.margins:
            if candidate.name in self.kept["margins"]:
                continue
            alike = min(self._own, key=lambda name: self._distance(name, candidate))
            workdir = self._workdir(candidate, 0)
            steps = self._steps(self.row(alike), 1)
            trial.train_to(self.field, candidate, workdir, steps, 0)
            self.kept["margins"][candidate.name] = trial.validated(workdir, self.field.monitor)
            self.keep()

    def _distance(self, name: str, other: Candidate) -> int:
        """In how many changes two candidates differ: the most alike is about as fast."""
        changes = self.by_name[name].changes
        return sum(changes.get(key) != value for key, value in other.changes.items())

    def judge(self, finalists: list[str], seeds: int) -> None:
        """Measures what candidates cost, and how good the finalists are on what was held out."""
        for name in self._own:
            row, workdir = self.row(name), self._workdir(self.by_name[name], 0)
            if "costs" not in row:
                say(f"measuring {name}")
                row["costs"] = trial.costs(self.field, workdir)
                self.keep()
        for name in finalists:
            row = self.row(name)
            for seed in range(seeds):
                if str(seed) not in row["judged"]:
                    workdir = self._workdir(self.by_name[name], seed)
                    row["judged"][str(seed)] = trial.judged(self.field, workdir)
                    self.keep()
            if "exported" not in row["costs"]:
                workdir = self._workdir(self.by_name[name], 0)
                row["costs"]["exported"] = trial.exported_bytes(self.field, workdir)
                self.keep()

    def _steps(self, row: Mapping[str, Any], units: int) -> int:
        return max(int(units * self.kept["unit_seconds"] / row["step"]), trial.PROBE + 1)

    def _workdir(self, candidate: Candidate, seed: int) -> Path:
        name = re.sub(r"[^a-z0-9]+", "-", candidate.name.lower()).strip("-")
        return self.out / "runs" / f"{name}-{seed}"
