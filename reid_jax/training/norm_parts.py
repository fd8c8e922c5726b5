"""Into how many parts BatchNorm cuts a batch: the devices at the start of a run, from then on."""

import dataclasses
from pathlib import Path
from typing import Any

from reid_jax.errors import UserError
from reid_jax.training.config_file import has_begun, read_values


def kept_norm_parts(workdir: Path, config: Any) -> Any:
    """A configuration that leaves the parts open, with those that the run in `workdir` has."""
    if not _open(config) or not has_begun(workdir):
        return config
    return _with_parts(config, int(read_values(workdir)["model"].get("batch_norm_parts", 0)))


def choose_norm_parts(config: Any, devices: int) -> Any:
    """The configuration with a part a device, where it asks for that and does not say how many.

    Raises:
      UserError: a device would have no whole number of parts.
    """
    if _open(config):
        config = _with_parts(config, devices)
    parts = _parts(config)
    if parts % devices:
        raise UserError(
            f"BatchNorm takes its statistics from {parts} parts of a batch, which {devices} "
            f"devices cannot share equally; a number of devices that divides {parts} can."
        )
    return config


def check_norm_parts(config: Any) -> None:
    """Refuses a batch that cannot be cut.

    Raises:
      UserError: saying what would do.
    """
    parts = _parts(config)
    unit = parts * config.train.accumulate
    if unit and config.data.batch_size % unit:
        raise UserError(
            f"data.batch_size is {config.data.batch_size}, which BatchNorm cannot cut into {parts} "
            f"equal parts; a multiple of {unit} would do."
        )


def _open(config: Any) -> bool:
    model = getattr(config, "model", None)
    return getattr(model, "batch_norm", "global") == "device" and not _parts(config)


def _parts(config: Any) -> int:
    return getattr(getattr(config, "model", None), "batch_norm_parts", 0)


def _with_parts(config: Any, parts: int) -> Any:
    model = dataclasses.replace(config.model, batch_norm_parts=parts)
    return dataclasses.replace(config, model=model)
