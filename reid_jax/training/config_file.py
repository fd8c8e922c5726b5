"""The configuration that a run folder keeps, as JSON."""

import dataclasses
import json
import types
import typing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from reid_jax.errors import UserError
from reid_jax.files import check_form, write_text
from reid_jax.keyframes.config import KeyframeConfig, validate_keyframes
from reid_jax.same_video.config import (
    VideoSimilarityConfig,
    validate_video_similarity,
)
from reid_jax.training.config import EmbeddingConfig, validate
from reid_jax.training.paths import absolute_photos, absolute_weights
from reid_jax.weights import with_origin

AnyConfig = EmbeddingConfig | KeyframeConfig | VideoSimilarityConfig
Config = TypeVar("Config", EmbeddingConfig, KeyframeConfig, VideoSimilarityConfig)
_KINDS: dict[str, type] = {
    kind.__name__: kind for kind in (EmbeddingConfig, KeyframeConfig, VideoSimilarityConfig)
}
FORM = 1
"""Of a run's folder, see :func:`reid_jax.files.check_form`. Runs of earlier versions do not say."""

_LIMIT = "validation_photos"
# What may change between two sessions of one run without making it another experiment. Where its
# photos are is compared by their content, see split_file.
_FREE = {
    "data.source",
    "train.log_every",
    "train.evaluate_every",
    "train.checkpoint_every",
    "train.profile",
    "train.parallel",
    "train.coordinator",
    "data.input",
    "model.views",
    "model.whiten",
}


def validate_config(config: AnyConfig) -> None:
    """Refuses what can be seen to be impossible without the data.

    Raises:
      UserError: naming the field, its value and what would be right.
    """
    if isinstance(config, KeyframeConfig):
        validate_keyframes(config)
    elif isinstance(config, VideoSimilarityConfig):
        validate_video_similarity(config)
    else:
        validate(config)


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


def read_run_config(workdir: Path) -> AnyConfig:
    """The configuration that a run folder was trained with.

    Raises:
      UserError: when the folder is not that of a run, or that of a newer program.
    """
    path = workdir / "config.json"
    if not path.is_file():
        raise UserError(f"{workdir} is not the folder of a run: it has no config.json.")
    values = json.loads(path.read_text())
    check_form(workdir, values.pop("form", FORM), FORM)
    kind = _KINDS.get(values.get("type"), EmbeddingConfig)
    if kind is EmbeddingConfig:
        values["data"].setdefault(_LIMIT, 0)
    values["train"].setdefault("streams", 1)
    return from_json(values, kind)


def kept_streams(workdir: Path, config: Config) -> Config:
    """The configuration with the streams of random keys that the run in `workdir` began with.

    Runs from before there were others do not say so; what they drew is gone on with.
    """
    if not has_begun(workdir):
        return config
    streams = read_run_config(workdir).train.streams
    return replace(config, train=replace(config.train, streams=streams))


def kept_validation(workdir: Path, config: EmbeddingConfig) -> EmbeddingConfig:
    """Of a run that began before validations had a limit, the configuration without one.

    What it found best so far is compared with what it finds now.
    """
    path = workdir / "config.json"
    if not has_begun(workdir) or _LIMIT in json.loads(path.read_text())["data"]:
        return config
    return replace(config, data=replace(config.data, validation_photos=0))


def kept_source(workdir: Path) -> str | None:
    """Where a run's folder says that its photos are; None where it says nothing."""
    path = workdir / "config.json"
    return json.loads(path.read_text())["data"]["source"] if path.is_file() else None


def keep_source(workdir: Path, source: str) -> None:
    """Changes in a run's folder where its photos are, and nothing else."""
    values = json.loads((workdir / "config.json").read_text())
    values["data"]["source"] = source
    write_text(workdir / "config.json", json.dumps(values, indent=2) + "\n")


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


def check_workdir(workdir: Path, config: AnyConfig) -> None:
    """Checks that a run folder, where there is one, belongs to this experiment.

    `train.steps` may grow; logging, checkpointing and devices may change. A run that has saved
    nothing yet may change in any way.

    Raises:
      UserError: naming the fields that differ.
    """
    if not (workdir / "config.json").is_file() or not has_begun(workdir):
        return
    before, now = flat(to_json(read_run_config(workdir))), flat(to_json(config))
    differing = [
        name
        for name in sorted(set(before) | set(now))
        if before.get(name) != now.get(name) and name not in _FREE
    ]
    if differing == ["train.steps"] and now["train.steps"] > before["train.steps"]:
        return
    if differing:
        changes = ", ".join(f"{n}: {before.get(n)} -> {now.get(n)}" for n in differing[:5])
        raise UserError(
            f"{workdir} holds a run with another configuration ({changes}); give the same "
            "options to go on with it, or another --workdir to start a new one."
        )


def claim_workdir(workdir: Path, config: AnyConfig) -> None:
    """Makes the run folder and writes the configuration; see `check_workdir`."""
    check_workdir(workdir, config)
    write_text(
        workdir / "config.json", json.dumps({"form": FORM, **to_json(config)}, indent=2) + "\n"
    )


def with_absolute_paths(config: EmbeddingConfig) -> EmbeddingConfig:
    """The configuration with the paths in it made independent of the current folder.

    Of a file of weights, whose they are is noted too: a run's normalisation must not depend on
    whether the file is still there.
    """
    model = config.model
    pretrained = with_origin(model.backbone, absolute_weights(model.pretrained))
    return replace(
        config,
        data=replace(config.data, source=absolute_photos(config.data.source)),
        model=replace(model, pretrained=pretrained),
    )


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """JSON of a configuration with dotted names, as the command line has them."""
    if not isinstance(values, dict):
        return {prefix: values}
    named: dict[str, Any] = {}
    for name, value in values.items():
        named |= flat(value, f"{prefix}.{name}" if prefix else name)
    return named
