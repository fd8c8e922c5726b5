"""The one driver of runs: whatever the question, it is trained, gone on with and restored here."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import jax

from reid_jax.compilations import keep_compilations
from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.remote.folders import brought, mirrored, url_of
from reid_jax.training.batch_size import choose_batch_size, kept_batch_size
from reid_jax.training.checkpoint import Checkpoints
from reid_jax.training.config_file import check_workdir, claim_workdir, kept_streams, read_config
from reid_jax.training.hosts.agreement import agree_on_start
from reid_jax.training.hosts.join import gathered, is_first, together
from reid_jax.training.lock import only_trainer
from reid_jax.training.loop import fit
from reid_jax.training.norm_parts import check_norm_parts, choose_norm_parts, kept_norm_parts
from reid_jax.training.parallel import make_layout
from reid_jax.training.paths import check_length
from reid_jax.training.question import Question

Config = TypeVar("Config")


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """The best network of a run; a question adds its own word.

    Attributes:
      workdir: the run's folder.
      config: what it was trained with.
      params, model_state: its variables.
      step: the step they are from.
    """

    workdir: Path
    config: Any
    params: Any = field(repr=False)
    model_state: Any = field(repr=False)
    step: int

    word: ClassVar[str]
    """What it is asked by: the name of a method."""

    if not TYPE_CHECKING:  # which would take every name for one that is there

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            raise _NoSuchWordError(
                f"{self.workdir} is a run that is asked by {self.word}(...); it has no {name}."
            )


class _NoSuchWordError(UserError, AttributeError):
    """An attribute that there is not, said to a person; `hasattr` knows it as well."""


def train(question: Question[Any, Any], config: Any, workdir: Path, *, report: bool = True) -> None:
    """Trains (or goes on training), and with `report` writes that on what was held out.

    Raises:
      UserError: configuration, data, devices and folder do not fit; before anything is compiled.
      KeyboardInterrupt: by Ctrl-C, when all is saved.
    """
    started = time.perf_counter()
    check_length(workdir)
    train = config.train
    if train.coordinator and not question.trains_together(config):
        raise UserError(
            f"train.coordinator is {train.coordinator!r}; several processes train networks of "
            "images, not what takes minutes on features."
        )
    question.check(config)
    with together(train.coordinator, url_of(workdir) or workdir):
        with _at_hand(workdir):
            interrupted = _train(question, config, workdir, started, report)
        if interrupted:
            raise KeyboardInterrupt(interrupted)


@contextlib.contextmanager
def _at_hand(workdir: Path) -> Iterator[None]:
    """Of a run at a URL, a copy on each machine: the first process's, which alone is uploaded."""
    url = url_of(workdir)
    if url is None:
        yield
        return
    if is_first():
        with mirrored(workdir, owned=workdir, wait=False, steadily=True):
            gathered("what is at the URL", None)
            yield
    else:
        gathered("what is at the URL", None)
        brought(url)
        yield
    gathered("what was uploaded", None)


def _train(
    question: Question[Any, Any], config: Any, workdir: Path, started: float, report: bool
) -> str:
    """Returns what is to be said of a training that was interrupted, or ""."""
    keep_compilations()
    config = question.complete(config)
    agree_on_start(config)
    with only_trainer(workdir):
        config = question.going_on(workdir, kept_batch_size(workdir, config))
        config = kept_norm_parts(workdir, kept_streams(workdir, config))
        check_workdir(workdir, config, question.free)
        config, data = question.load_data(config, workdir)
        question.loaded(workdir, data)
        layout = make_layout(config.train.parallel)
        config = question.choose(config, data, layout, started)
        config = choose_norm_parts(config, layout.size)
        config = choose_batch_size(question, config, data, layout)
        check_norm_parts(config)
        experiment = question.build(config, data)
        layout.check(experiment.batch_size, experiment.shared_unit, "data.batch_size")
        if is_first():
            question.keep(workdir, config, data)
            claim_workdir(workdir, config, question.free)
        decay = config.optimizer.ema_decay
        outcome = fit(experiment, config.train, layout, workdir, ema_decay=decay)
    step, best = int(outcome.state.step), outcome.progress.best_step
    shown = url_of(workdir) or workdir
    stopped = (
        f"Stopped at step {step}; the same command goes on from there. The run can be used as it "
        f"is: reid-jax evaluate {shown} judges its best network so far, of step {best}."
    )
    if outcome.end == "interrupted":
        return stopped
    if outcome.end == "early":
        say(f"Ended early at step {step}: validation got no better than at step {best}.")
    if outcome.end == "stopped":
        say(stopped)
    elif jax.process_count() > 1:
        say(f"Trained; reid-jax evaluate {shown} writes the report.")
    elif report:
        question.report_trained(workdir, config, data)
    return ""


def restore(workdir: Path, kind: type[Config]) -> tuple[Config, Any, Any, int]:
    """The configuration of a run, its best parameters and model state, and the step they are from.

    Raises:
      UserError: when the folder is not that of a run of this kind, or nothing was saved yet.
    """
    config = read_config(workdir, kind)
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    restored = checkpoints.restore_best()
    checkpoints.close()
    if restored is None:
        raise UserError(f"{workdir} has no finished checkpoint yet; train it first.")
    params, model_state, progress = restored
    return config, params, model_state, int(progress["best_step"])


def restore_last(workdir: Path) -> tuple[Any, Any] | None:
    """The parameters and the model state that training ended with, if they are there."""
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    step = checkpoints.latest_step
    tree = None if step is None else checkpoints.read_raw(step)[0]
    checkpoints.close()
    return tree and (tree.get("ema", tree["params"]), tree.get("model_state", {}))
