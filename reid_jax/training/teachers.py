"""Whether a network can teach: it is finished, and still what it was when a run began with it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from reid_jax.errors import UserError
from reid_jax.remote.storage import is_url
from reid_jax.training.config_file import has_begun, read_values, saved_steps

Config = TypeVar("Config")


def with_teachers(workdir: Path, config: Config, open_them: Callable[[], Sequence[Any]]) -> Config:
    """The configuration with which networks its teachers are; the run may go on with them.

    Args:
      workdir: of the student.
      config: with a section `distill`.
      open_them: gives the networks, with `workdir` and `fingerprint`; asked where there are any.

    Raises:
      UserError: they are not what the run in `workdir` has learnt from so far.
    """
    distill = config.distill  # type: ignore[attr-defined]
    kept: Any = read_values(workdir).get("distill", {}) if has_begun(workdir) else None
    before = kept and kept.get("fingerprints")
    if not distill.teacher:
        if before:
            raise UserError(
                f"{workdir} learns from a teacher; go on with it by --distill {kept['teacher']}."
            )
        return config
    teachers = open_them()
    found = ",".join(each.fingerprint for each in teachers)
    words = ",".join(str(each.workdir) for each in teachers)
    if kept is not None and before != found:
        so_far = f"that it began with ({kept['teacher']})" if before else "nobody"
        raise UserError(
            f"{words} has changed, or is another: {workdir} has learnt from {so_far} so far; bring "
            "that back, or start anew in another --workdir."
        )
    distill = replace(distill, teacher=words, fingerprints=found)
    return replace(config, distill=distill)  # type: ignore[type-var]


def places_of(words: str, workdir: Path | None) -> list[Path]:
    """The runs or networks that words name, separated by commas.

    Args:
      workdir: of the student, which is none of them.

    Raises:
      UserError: one is at a URL, or is the student.
    """
    places = []
    for word in words.split(","):
        if is_url(word):
            raise UserError(f"{word} is elsewhere; a teacher's run must lie here: copy it first.")
        if workdir is not None and Path(word).absolute() == workdir.absolute():
            raise UserError(f"{workdir} cannot be its own teacher; give --workdir another folder.")
        places.append(Path(word))
    return places


def check_finished(model: Any) -> None:
    """Refuses a run that would go on, and be another network then.

    Args:
      model: of a run, with `workdir` and `config`.

    Raises:
      UserError: its last saved step is before the one that it was to train to.
    """
    steps, saved = model.config.train.steps, saved_steps(model.workdir)
    if saved and saved[-1] < steps and not model.config.train.patience:
        raise UserError(
            f"{model.workdir} is not finished, at step {saved[-1]:,} of {steps:,}: go on with it "
            "first, as a teacher must not change while it teaches."
        )
