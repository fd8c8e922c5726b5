"""Configurations on disk: a Python file gives one, a run folder keeps it as JSON."""

import dataclasses
import importlib.util
import json
import types
import typing
from pathlib import Path
from typing import Any

from reid_jax.errors import UserError
from reid_jax.files import write_text
from reid_jax.training.config import EmbeddingConfig

_KINDS = {kind.__name__: kind for kind in (EmbeddingConfig,)}
# What may change between two sessions of one run without making it another experiment.
_FREE = {
    "train.log_every",
    "train.evaluate_every",
    "train.checkpoint_every",
    "train.parallel",
    "data.input",
}


def load_config_file(path: Path) -> EmbeddingConfig:
    """Runs a configuration file and returns what its `get_config()` returns.

    Raises:
      UserError: when there is no such file or no such function.
    """
    if not path.is_file():
        known = ", ".join(sorted(str(p) for p in Path("configs").glob("*.py")))
        raise UserError(f"There is no configuration {path}; there are {known or 'none here'}.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise UserError(f"{path} has no function get_config() that returns a configuration.")
    return module.get_config()


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
    chosen = kinds.get(values.get("type"))
    if chosen is None:
        raise UserError(
            f"The configuration says {values.get('type')!r} where {', '.join(kinds)} is known."
        )
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


def read_run_config(workdir: Path) -> EmbeddingConfig:
    """The configuration that a run folder was trained with.

    Raises:
      UserError: when the folder is not that of a run.
    """
    path = workdir / "config.json"
    if not path.is_file():
        raise UserError(f"{workdir} is not the folder of a run: it has no config.json.")
    values = json.loads(path.read_text())
    return from_json(values, _KINDS.get(values.get("type"), EmbeddingConfig))


def claim_workdir(workdir: Path, config: EmbeddingConfig) -> None:
    """Makes the run folder, or checks that the one that is there belongs to this experiment.

    `train.steps` may grow; logging, checkpointing and devices may change.

    Raises:
      UserError: naming the fields that differ.
    """
    path = workdir / "config.json"
    if path.is_file():
        before, now = _flat(to_json(read_run_config(workdir))), _flat(to_json(config))
        differing = [
            name
            for name in sorted(set(before) | set(now))
            if before.get(name) != now.get(name) and name not in _FREE
        ]
        if differing == ["train.steps"] and now["train.steps"] > before["train.steps"]:
            differing = []
        if differing:
            changes = ", ".join(f"{n}: {before.get(n)} -> {now.get(n)}" for n in differing[:5])
            raise UserError(
                f"{workdir} holds a run with another configuration ({changes}); give the same "
                "options to go on with it, or another --workdir to start a new one."
            )
    workdir.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(to_json(config), indent=2) + "\n")


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {prefix: values}
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}.{name}" if prefix else name)
    return flat
