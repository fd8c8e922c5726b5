"""Paths of a configuration, made independent of the folder that a command was given in."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from reid_jax.errors import UserError
from reid_jax.fields import PATH, PATHS, PHOTOS, TEACHERS, WEIGHTS, changed
from reid_jax.files import expanded
from reid_jax.platforms import longest_path
from reid_jax.remote.storage import is_url
from reid_jax.training.network_words import AUTO, is_network, put_together, taken_apart
from reid_jax.weights import is_published, with_origin
from reid_jax.weights.published import origin_of

Config = TypeVar("Config")
_ROOM = 255  # bytes, for the paths of files below a run's folder


def check_length(workdir: Path) -> None:
    """Refuses a run folder below which files could not be written.

    Raises:
      UserError: its path is too long for this system, or one of its names is.
    """
    whole = workdir.absolute()
    if (limits := longest_path()) is None:
        return
    length, most = len(os.fsencode(whole)), limits[0] - _ROOM
    if length > most:
        raise UserError(
            f"The path of the run's folder is {length:,} bytes long; at most {most:,} leave room "
            "for the files in it, so give a shorter --workdir."
        )
    for name in whole.parts:
        if (length := len(os.fsencode(name))) > limits[1]:
            raise UserError(
                f"A name in --workdir is {length:,} bytes long, {name[:20]}...; at most "
                f"{limits[1]} are possible."
            )


def located(config: Config) -> Config:
    """The configuration with the paths in it made independent of the current folder."""
    files = {PATH: absolute, PATHS: absolute_paths, PHOTOS: absolute_photos}
    return changed(config, {**files, WEIGHTS: absolute_weights, TEACHERS: absolute_networks})


def located_with_weights(config: Config) -> Config:
    """The same, which also notes of a file of weights for `model.backbone` whose they are.

    A run's normalisation must not depend on whether the file is still there.
    """
    config = located(config)
    model = config.model  # type: ignore[attr-defined]
    if not model.backbone:
        return config
    pretrained = with_origin(model.backbone, model.pretrained)
    return replace(config, model=replace(model, pretrained=pretrained))  # type: ignore[type-var]


def absolute(path: str) -> str:
    """The path from the root; a URL, and what is empty, to be refused by its reader, stay so."""
    path = path.strip()
    return path if is_url(path) else expanded(path).absolute().as_posix() if path else ""


def absolute_paths(paths: str) -> str:
    """The same of several, separated by commas."""
    return ",".join(absolute(path) for path in paths.split(","))


def absolute_weights(source: str) -> str:
    """A source of weights, from the root where it is a file."""
    if is_published(source):
        return source
    origin, file = origin_of(source)
    return f"{origin}:{absolute(file)}" if origin else absolute(source)


def absolute_networks(words: str) -> str:
    """Runs and published networks, separated by commas, runs from the root."""
    return ",".join(_absolute_network(word.strip()) for word in words.split(",") if word.strip())


def _absolute_network(word: str) -> str:
    if not is_network(word):
        return absolute(word)
    source, options = taken_apart(word)
    return put_together(source if source == AUTO else absolute_weights(source), options)


def absolute_photos(source: str) -> str:
    """A source of photos, from the root where it is one of files; only Omniglot's are several."""
    kind, _, where = source.partition(":")
    if kind in ("folder", "csv", "coco", "megadetector", "tar", "market", "gallery"):
        return f"{kind}:{absolute(where)}"
    if kind == "omniglot":
        return f"{kind}:" + absolute_paths(where)
    return source
