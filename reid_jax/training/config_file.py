"""The configuration that a run folder keeps, as JSON."""

import dataclasses
import json
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from reid_jax.errors import OtherRunError, UserError
from reid_jax.files import check_form, write_text

Config = TypeVar("Config")
NAME = "config.json"
FORM = 1
"""Of a run's folder, see :func:`reid_jax.files.check_form`. Runs of earlier versions do not say."""

# What may change between two sessions of one run of any question without making it another
# experiment.
_FREE = {
    "train.log_every",
    "train.evaluate_every",
    "train.checkpoint_every",
    "train.profile",
    "train.parallel",
    "train.coordinator",
}
_TOLD = 5  # of the fields that differ


def to_json(config: Any) -> Any:
    """A dataclass as JSON values; each dataclass carries its name under "type"."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        fields = {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
        return {"type": type(config).__name__, **fields}
    if isinstance(config, tuple | list):
        return [to_json(value) for value in config]
    return config


def from_json(values: Any, kind: Any) -> Any:
    """The inverse of `to_json`; fields that the file lacks take their defaults.

    Raises:
      UserError: for a field or kind that this version does not know.
    """
    kinds: dict[str, Any] = {
        k.__name__: k for k in _members(kind) if isinstance(k, type) and dataclasses.is_dataclass(k)
    }
    if not kinds and isinstance(values, list):
        return tuple(from_json(value, typing.get_args(kind)[0]) for value in values)
    if not kinds:
        return values
    said = values.get("type") if isinstance(values, dict) else values
    chosen = kinds.get(str(said))
    if chosen is None:
        raise UserError(f"The configuration says {said!r} where {', '.join(kinds)} is known.")
    hints = typing.get_type_hints(chosen)
    unknown = set(values) - set(hints) - {"type"}
    if unknown:
        raise UserError(f"{chosen.__name__} has no field {', '.join(sorted(unknown))}.")
    arguments = {k: from_json(v, hints[k]) for k, v in values.items() if k != "type"}
    return chosen(**arguments)


def _members(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return typing.get_args(kind)
    return (kind,)


def is_run(folder: Path) -> bool:
    """Whether it is the folder of a run."""
    return (folder / NAME).is_file()


def read_values(workdir: Path) -> dict[str, Any]:
    """What a run folder says of itself, as JSON values.

    Raises:
      UserError: the folder is not that of a run, or of a newer program, or the file is damaged.
    """
    path = workdir / NAME
    if not is_run(workdir):
        raise UserError(f"{workdir} is not the folder of a run: it has no {NAME}.")
    try:
        values = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}. Bring it back from a copy.") from error
    if isinstance(values, dict):
        check_form(workdir, values.pop("form", FORM), FORM)
    if (
        not isinstance(values, dict)
        or not isinstance(values.get("type", ""), str)
        or not all(isinstance(values.get(section), dict) for section in ("data", "train"))
    ):
        raise UserError(
            f"{path} is damaged: it holds no configuration of a run. Bring it back from a copy."
        )
    return values


def read_config(workdir: Path, kind: type[Config]) -> Config:
    """The configuration that a run folder was trained with.

    A kind with a function `upgraded` says there what a file of an earlier version means.

    Raises:
      UserError: when the folder is not that of a run, or (OtherRunError) of one of another kind.
    """
    values = {"type": kind.__name__, **read_values(workdir)}
    if values["type"] != kind.__name__:
        raise OtherRunError(workdir, values["type"], kind.__name__)
    values["train"].setdefault("streams", 1)
    upgraded = getattr(kind, "upgraded", None)
    config: Config = from_json(upgraded(values) if upgraded else values, kind)
    return config


def kept_streams(workdir: Path, config: Config) -> Config:
    """The configuration with the streams of random keys that the run in `workdir` began with.

    Runs from before there were others do not say so; what they drew is gone on with.
    """
    if not has_begun(workdir):
        return config
    train: Any = config.train  # type: ignore[attr-defined]
    streams = read_values(workdir)["train"].get("streams", 1)
    return replace(config, train=replace(train, streams=streams))  # type: ignore[type-var]


def saved_steps(workdir: Path) -> list[int]:
    """The steps of the states that a run would go on from."""
    names = [path.name for path in (workdir / "checkpoints" / "latest").glob("*")]
    return sorted(int(name) for name in names if name.isdecimal())  # half written: a longer name


def has_begun(workdir: Path) -> bool:
    """Whether a run has saved a state that it would go on from; until then it may change."""
    return bool(saved_steps(workdir))


def what_is_saved(workdir: Path) -> str:
    """In words, for one whose training ended in error."""
    if steps := saved_steps(workdir):
        return f"the last whole checkpoint is that of step {steps[-1]}"
    return "no checkpoint was saved before it"


def check_workdir(workdir: Path, config: Any, free: Collection[str] = ()) -> None:
    """Checks that a run folder, where there is one, belongs to this experiment.

    `train.steps` may grow; logging, checkpointing, devices and the `free` fields may change. A run
    that has saved nothing yet may change in any way.

    Raises:
      UserError: naming the fields that differ.
    """
    if not is_run(workdir) or not has_begun(workdir):
        return
    kept = read_config(workdir, type(config))
    changes = {
        name: values
        for name, values in _changes(to_json(kept), to_json(config)).items()
        if name not in _FREE and name not in free
    }
    if changes.keys() == {"train.steps"} and config.train.steps > kept.train.steps:
        return
    if changes:
        words = [
            f"{name} was {_in_words(before)} and is {_in_words(now)}"
            for name, (before, now) in list(changes.items())[:_TOLD]
        ]
        more = [f"{len(changes) - _TOLD} more differ"] if len(changes) > _TOLD else []
        raise UserError(
            f"{workdir} holds a run with other settings: {'; '.join(words + more)}. Give the same "
            "options to go on with it, or another --workdir to start a new one."
        )


def _changes(before: Any, now: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """What differs between two configurations as JSON, by its dotted name.

    Where a section is of another kind or was not there, it differs as a whole; sections in a list
    have their number, from 1, behind its name.
    """
    parts: dict[str, tuple[Any, Any]] = {}
    if isinstance(before, dict) and isinstance(now, dict) and before["type"] == now["type"]:
        dot = f"{name}." if name else ""
        parts = {dot + key: (before.get(key), now.get(key)) for key in sorted({*before, *now})}
    elif _sections(before) and _sections(now) and len(before) == len(now):
        pairs = zip(before, now, strict=True)
        parts = {f"{name} {number}": pair for number, pair in enumerate(pairs, 1)}
    if not parts:
        return {} if before == now else {name: (before, now)}
    return {key: each for part in parts for key, each in _changes(*parts[part], part).items()}


def _sections(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _in_words(value: Any) -> str:
    """A value of a configuration, as JSON, in a sentence."""
    if isinstance(value, dict):
        fields = [f"{key} {_in_words(each)}" for key, each in value.items() if key != "type"]
        return f"{value['type']} ({', '.join(fields)})" if fields else str(value["type"])
    if isinstance(value, list) and value:
        return " and ".join(map(_in_words, value))
    return "nothing" if value in (None, "", []) else str(value)


def claim_workdir(workdir: Path, config: Any, free: Collection[str] = ()) -> None:
    """Makes the run folder and writes the configuration; see `check_workdir`."""
    check_workdir(workdir, config, free)
    write_values(workdir, to_json(config))


def write_values(workdir: Path, values: dict[str, Any]) -> None:
    """Writes what a run folder says of itself, see `read_values`."""
    write_text(workdir / NAME, json.dumps({"form": FORM, **values}, indent=2) + "\n")


def keep_values(workdir: Path, section: str, changes: Mapping[str, Any]) -> None:
    """Changes in a run's folder what one section says, as where its data are, and nothing else."""
    values = read_values(workdir)
    values[section] |= changes
    write_values(workdir, values)


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """JSON of a configuration with dotted names, as the command line has them."""
    if not isinstance(values, dict):
        return {prefix: values}
    named: dict[str, Any] = {}
    for name, value in values.items():
        named |= flat(value, f"{prefix}.{name}" if prefix else name)
    return named
