"""The questions that runs answer, a line each; what one is made of is imported when it is asked."""

import inspect
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_jax.errors import OtherRunError, UserError
from reid_jax.files import check_destinations
from reid_jax.remote.folders import mirrored
from reid_jax.reporting.run_facts import run_names
from reid_jax.training.config_file import read_values
from reid_jax.training.network_words import is_network

if TYPE_CHECKING:
    from reid_jax.training.question import Question

# By the name of their configurations, as runs keep it.
QUESTIONS = {
    "EmbeddingConfig": "reid_jax.individuals.question:Individuals",
    "KeyframeConfig": "reid_jax.keyframes.question:Keyframes",
    "VideoSimilarityConfig": "reid_jax.same_video.question:SameVideo",
}
INSTALLED = {
    "installed:keyframes": "KeyframeConfig",
    "installed:same-video": "VideoSimilarityConfig",
}
"""What comes with the package, in the place of a run's folder, and the configuration it has."""
# Whose runs did not say what they are when there was one question; published networks answer it.
_FIRST = "EmbeddingConfig"


def question_named(kind: str) -> "Question[Any, Any]":
    """The question whose configurations have this name.

    Raises:
      UserError: there is none.
    """
    if kind not in QUESTIONS:
        raise UserError(f"{kind} is no configuration of this program: {', '.join(QUESTIONS)} are.")
    module, name = QUESTIONS[kind].split(":")
    question: Question[Any, Any] = getattr(import_module(module), name)()
    return question


def question_of(*workdirs: Path) -> "Question[Any, Any]":
    """The question that runs answer.

    Raises:
      UserError: a folder is not that of a run, or the runs answer several questions.
    """
    if not workdirs:
        raise UserError("Name the folder of a run.")
    for path in workdirs:
        if str(path) in INSTALLED:
            raise UserError(f"{path} is no run: it can be asked, but not judged or compared.")
    if len(workdirs) == 1 and is_network(workdirs[0]):
        return question_named(_FIRST)
    kinds = {path: read_values(path).get("type", _FIRST) for path in workdirs}
    first, *others = kinds
    for other in others:
        if kinds[other] != kinds[first]:
            raise UserError(
                f"{other} holds {question_named(kinds[other]).about}, {first} "
                f"{question_named(kinds[first]).about}; runs of one kind can be compared."
            )
    return question_named(kinds[first])


def in_words(error: OtherRunError) -> str:
    """What kind of run that is, and which is needed."""
    found, needed = question_named(error.found).about, question_named(error.needed).about
    return f"{error.workdir} holds {found} where {needed} is needed; name another folder."


def train(config: Any, workdir: Path) -> None:
    """Trains (or goes on training) whatever the configuration is of, and writes its report.

    Of several processes each has a copy of a folder at a URL; the first one's is uploaded.
    """
    from reid_jax.training import run

    run.train(question_named(type(config).__name__), config, workdir)


def load(workdir: Path) -> Any:
    """The best network of a run; it has its question's own word: embed, score or similarity."""
    if kind := INSTALLED.get(str(workdir)):
        return question_named(kind).load(workdir)
    with mirrored(workdir):
        return question_of(workdir).load(workdir)


def report(workdir: Path, **asked: Any) -> dict[str, Any]:
    """Judges a run again, on what it held out or as asked; see the question's `report`.

    Raises:
      UserError: something is asked that runs of this kind do not have.
    """
    with mirrored(workdir, *filter(None, [asked.get("out")])):
        return _report(workdir, asked)


def _report(workdir: Path, asked: dict[str, Any]) -> dict[str, Any]:
    check_destinations(folder=asked.get("out"))
    question = question_of(workdir)
    given = {name: value for name, value in asked.items() if value not in (None, False, "")}
    known = inspect.signature(question.report).parameters
    for name in given:
        if name not in known:
            if name == "coordinator":
                raise UserError(
                    f"{workdir} holds {question.about}, which one process judges in seconds; leave "
                    "out --coordinator."
                )
            flag = "data" if name == "source" else name
            raise UserError(f"{workdir} holds {question.about}; it has no --{flag}.")
    return question.report(workdir, **given)


def compare_runs(workdirs: Sequence[Path], out: Path | None = None) -> dict[str, Any]:
    """Prints which differences between runs of one question are more than luck; returns them.

    Raises:
      UserError: fewer than two runs, of different kinds, or they hold out different examples.
    """
    with mirrored(*workdirs, *filter(None, [out])):
        check_destinations(folder=out)
        run_names(workdirs)
        return question_of(*workdirs).compare_runs(workdirs, out)
