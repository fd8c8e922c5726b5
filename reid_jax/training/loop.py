"""The loop: steps, validations, checkpoints, and a clean end whatever happens."""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.errors import UserError
from reid_jax.ops.keys import STREAMS
from reid_jax.training.blend import mixed
from reid_jax.training.checkpoint import Checkpoints
from reid_jax.training.config import TrainConfig
from reid_jax.training.config_file import what_is_saved
from reid_jax.training.experiment import Experiment, initial_variables, step_of_stage
from reid_jax.training.hosts.agreement import agree_on_state
from reid_jax.training.hosts.join import Poll, agree, is_first, on_end, own_folder
from reid_jax.training.logging import Display, RunLog
from reid_jax.training.observe import Compilations, Profile
from reid_jax.training.optimizer import rate_factor, with_full_rate, with_reduced_rate
from reid_jax.training.parallel import Layout
from reid_jax.training.predictor import make_predictor
from reid_jax.training.progress import Progress
from reid_jax.training.signals import Stop, stoppable
from reid_jax.training.stages import Stage, stage_at, with_fresh_moments, work_left
from reid_jax.training.state import TrainState, create_state
from reid_jax.training.task import Batch


@dataclass(frozen=True)
class Outcome:
    """The last state, and how training ended.

    Attributes:
      end: "done", "early" (patience ran out), "stopped" (SIGTERM) or "interrupted" (Ctrl-C).
    """

    state: TrainState
    progress: Progress
    end: str


@dataclass
class _Window:
    """The steps since the last row of the log; their metrics stay on the device until it is due."""

    first_step: int
    batch_size: int
    counted: str
    started: float = field(default_factory=time.perf_counter)
    waited: float = 0.0
    metrics: list[Any] = field(default_factory=list)
    first_calls: tuple[int, float] = (0, 0.0)

    def compiled(self, steps: int, seconds: float) -> None:
        """The last steps waited for a compilation; the speed is that of the others."""
        before = self.first_calls
        self.first_calls = before[0] + steps, before[1] + seconds

    def row(self) -> dict[str, float]:
        """Means over the window, and its speed.

        Raises:
          FloatingPointError: with the number of the first step whose loss or gradient is not
            finite.
        """
        columns = _concatenated(jax.device_get(self.metrics))
        seconds = time.perf_counter() - self.started
        for index, (loss, norm) in enumerate(
            zip(columns["loss"], columns["grad_norm"], strict=True)
        ):
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise FloatingPointError(self.first_step + index + 1)
        means = {name: float(np.mean(values)) for name, values in columns.items()}
        steps, measured = len(columns["loss"]), seconds
        if self.first_calls[0] < steps:
            steps, measured = steps - self.first_calls[0], seconds - self.first_calls[1]
        pace = self.batch_size * steps / measured
        speed = {"seconds": seconds, f"{self.counted}_per_second": pace}
        return {**means, **speed, "input_wait_seconds": self.waited}


def _concatenated(metrics: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([m[name] for m in metrics]) for name in metrics[0]}


def initial_state(
    experiment: Experiment, seed: int, *, ema: bool, streams: int = STREAMS
) -> TrainState:
    """The state before the first step: a pure function of the seed."""
    params, model_state = initial_variables(experiment, seed, streams)
    return create_state(params, model_state, experiment.optimizer, ema=ema)


def fit(
    experiment: Experiment, config: TrainConfig, layout: Layout, workdir: Path, *, ema_decay: float
) -> Outcome:
    """Trains to the last step, or goes on where the run in `workdir` stopped.

    Raises:
      UserError: when the loss stops being finite, or the disk is full.
    """
    layout.check(experiment.batch_size, experiment.shared_unit, "data.batch_size")
    checkpoints = Checkpoints(workdir / "checkpoints")
    agree("The run folder", {"the latest step": checkpoints.latest_step})
    fresh = initial_state(experiment, config.seed, ema=ema_decay > 0, streams=config.streams)
    agree_on_state(fresh)
    # A copy, as what is on the devices is given away by the first step.
    start = jax.device_get((fresh.evaluated_params, fresh.model_state)) if config.blend else None
    state = layout.everywhere(fresh)
    progress = Progress()
    if (restored := checkpoints.restore_latest(state)) is not None:
        state, progress = restored[0], Progress(**restored[1])
    on_end(lambda: what_is_saved(workdir))
    quiet = not is_first()
    log = RunLog(workdir, int(state.step), quiet=quiet)
    try:
        with (
            _display(experiment, config, int(state.step), quiet) as display,
            stoppable() as stop,
        ):
            loop = _Loop(experiment, config, layout, checkpoints, log, display, progress, start)
            with (
                Compilations() as compilations,
                Profile(own_folder(workdir / "profile"), config.profile, display.say) as profile,
            ):
                return loop.run(state, ema_decay, stop, compilations, profile)
    finally:
        log.close()
        checkpoints.close()


def _display(experiment: Experiment, config: TrainConfig, step: int, quiet: bool) -> Display:
    steps, every = config.steps, config.evaluate_every
    return Display(
        steps,
        step,
        work_left=lambda at: work_left(experiment.stages, experiment.blocks, at, steps),
        pauses_left=lambda at: -(-steps // every) - at // every,
        quiet=quiet,
    )


class _Loop:
    def __init__(
        self,
        experiment: Experiment,
        config: TrainConfig,
        layout: Layout,
        checkpoints: Checkpoints,
        log: RunLog,
        display: Display,
        progress: Progress,
        start: Any,
    ):
        self.experiment, self.config, self.layout = experiment, config, layout
        self.checkpoints, self.log, self.display = checkpoints, log, display
        self.progress, self.start = progress, start
        if (validation := experiment.validation) is not None:
            self.predict = make_predictor(experiment.task, layout, batch_size=validation.batch_size)

    def run(
        self,
        state: TrainState,
        ema_decay: float,
        stop: Stop,
        compilations: Compilations,
        profile: Profile,
    ) -> Outcome:
        started = time.perf_counter()
        experiment, config, layout = self.experiment, self.config, self.layout
        feed = experiment.feed
        first = step = int(state.step)
        if step >= config.steps or self._exhausted(step):
            self._keep_a_best(state)
            if self.checkpoints.latest_step is None:  # of no steps
                self.checkpoints.save_latest(state, asdict(self.progress))
            return Outcome(state, self.progress, self._exhausted(step) or "done")
        start = f", from step {step}" if step else ""
        where = layout.description
        self.display.say(f"{experiment.summary}; {config.steps} steps on {where}{start}")
        for note in layout.notes(state):
            self.display.say(note)
        compiled: dict[Stage, Any] = {}
        shared, state = layout.everywhere(feed.shared), layout.everywhere(state)
        calls = feed.calls(step, config.steps)
        window, poll = _Window(step, experiment.batch_size, experiment.counted), Poll()
        while True:
            waiting = time.perf_counter()
            batch, count = next(calls)
            window.waited += time.perf_counter() - waiting
            stage = stage_at(experiment.stages, step)
            new = stage not in compiled
            if new:
                self.display.begin_stage()
                self.display.say("compiling the training step, which can take a minute")
                compiled = {stage: self._compile(stage, state, ema_decay)}
            if 0 < step == stage.start:
                state = self._begin_stage(state)
            divided = layout.divide(batch, feed.batch_axis, own_rows=feed.own_rows)
            called = time.perf_counter()
            with self.display.waiting() if new else nullcontext():
                state, metrics = profile.call(step, count, compiled[stage], state, shared, divided)
                if new:
                    jax.block_until_ready(metrics)
                    window.compiled(count, time.perf_counter() - called)
            if step == first:
                self.display.say(f"first step after {time.perf_counter() - started:.1f} s")
                self.display.done(first + count, "")
            window.metrics.append(metrics)
            step += count
            self.display.advance(step)
            done = step >= config.steps
            due = {name: done or step % every == 0 for name, every in self._periods().items()}
            interrupts = any(due.values())
            stopping = poll.any(step, stop.requested, metrics, due=interrupts)
            if not (interrupts or stopping):
                continue
            speed = self._report(step, state, window, compilations)
            if due["evaluate"]:
                self._validate(step, state, speed)
                if self._stagnant() and all(step != each.start for each in experiment.stages):
                    factor = config.reduce_factor
                    self.display.say(f"no improvement: the learning rate times {factor:g}")
                    state = state.replace(opt_state=with_reduced_rate(state.opt_state, factor))
            asked = "interrupted" if stop.interrupted else "stopped"
            end = "done" if done else self._exhausted(step) or (asked if stopping else None)
            if end:
                self._keep_a_best(state)
            if due["checkpoint"] or end:
                self.checkpoints.save_latest(state, asdict(self.progress))
            if end:
                self.checkpoints.wait()
                return Outcome(state, self.progress, end)
            window = _Window(step, experiment.batch_size, experiment.counted)

    def _begin_stage(self, state: TrainState) -> TrainState:
        """Forgets what the stage before made of moments, learning rate and patience.

        Checkpoints of this step are from before, so that a run that goes on comes by here too.
        """
        self.progress.without_improvement = 0
        return state.replace(opt_state=with_full_rate(with_fresh_moments(state.opt_state)))

    def _compile(self, stage: Stage, state: TrainState, ema_decay: float) -> Any:
        step = step_of_stage(
            self.experiment,
            stage,
            state.params,
            seed=self.config.seed,
            ema_decay=ema_decay,
            layout=self.layout,
            accumulate=self.config.accumulate,
            streams=self.config.streams,
        )
        feed = self.experiment.feed
        return self.layout.compile(feed.make_step(step), batch_axis=feed.batch_axis, donate=True)

    def _periods(self) -> dict[str, int]:
        config = self.config
        return {
            "log": config.log_every,
            "evaluate": config.evaluate_every,
            "checkpoint": config.checkpoint_every,
        }

    def _report(
        self, step: int, state: TrainState, window: _Window, compilations: Compilations
    ) -> str:
        """Writes the window's row; returns it in words."""
        try:
            row = window.row()
        except FloatingPointError as error:
            self.checkpoints.wait()
            good = self.checkpoints.latest_step
            kept = (
                "no checkpoint was saved before it"
                if good is None
                else f"the last good checkpoint is that of step {good}"
            )
            raise UserError(
                f"The loss or its gradient is not finite at step {error}; {kept}. A lower "
                "optimizer.learning_rate, optimizer.clip_norm 1 or a longer warm-up may help."
            ) from None
        scheduled = float(self.experiment.schedule(step - 1))
        row["learning_rate"] = scheduled * rate_factor(state.opt_state)
        self.log.write(step, row | compilations.take())
        counted = window.counted
        words = f"loss {row['loss']:.4f}  {row[f'{counted}_per_second']:,.0f} {counted}/s"
        self.display.done(step, words)
        return words

    def _validate(self, step: int, state: TrainState, speed: str) -> None:
        """Evaluates and keeps the best; says how it goes."""
        validation, task = self.experiment.validation, self.experiment.task
        if validation is None:
            self.display.say(f"step {step:>6}  {speed}")
            self._say_what_is_wrong(None)
            return
        with self.display.pause():
            metrics, predictions = self._evaluate(state, speed)
        self.log.write(step, {f"validation/{name}": value for name, value in metrics.items()})
        blend, value = 1.0, metrics[task.monitor]
        if step >= self.config.steps and self.config.blend:
            blend, value, state = self._blended(step, state, value)
        best = self.progress.improved(step, value, blend, self.config.min_delta)
        if step >= self.config.steps and self.config.blend:
            self.log.write(step, {"blend": self.progress.blend})
        numbers = "  ".join(f"{name} {value:.3f}" for name, value in metrics.items())
        note = "  best so far" if best and blend == 1 else ""
        self.display.say(f"step {step:>6}  {speed}  validation  {numbers}{note}")
        self._say_what_is_wrong(predictions)
        if best:
            self.checkpoints.save_best(state, asdict(self.progress))

    def _say_what_is_wrong(self, predictions: np.ndarray | None) -> None:
        if wrong := self.experiment.watch(self.log.rows, predictions):
            self.display.say(wrong)

    def _evaluate(self, state: TrainState, words: str) -> tuple[dict[str, float], np.ndarray]:
        validation = self.experiment.validation
        assert validation is not None
        variables = state.evaluated_params, state.model_state
        by_network = validation.by_network
        inputs = validation.inputs() if by_network is None else by_network(*variables)
        predictions = self.predict(*variables, self._counted(inputs, words))
        return self.experiment.task.evaluate(predictions, validation.examples), predictions

    def _blended(
        self, step: int, state: TrainState, value: float
    ) -> tuple[float, float, TrainState]:
        """The best of the last state and the mixtures: how far it is, its value, its state."""
        monitor = self.experiment.task.monitor
        found = {1.0: (value, state)}
        for share in self.config.blend:
            between = self.layout.everywhere(mixed(self.start, state, share))
            found[share] = self._evaluate(between, f"mixture {share:g}")[0][monitor], between
        values = {share: found[share][0] for share in sorted(found)}
        self.log.write(step, {f"blend/{share:g}": each for share, each in values.items()})
        words = ", ".join(f"{share:g} {each:.3f}" for share, each in values.items())
        self.display.say(
            f"validation {monitor} on the way from the start (0) to the end (1): {words}"
        )
        best = max(values, key=lambda share: (values[share], share))  # of equals the trained one
        return best, *found[best]

    def _counted(self, blocks: Iterable[Batch], speed: str) -> Iterator[Batch]:
        """The blocks of a validation; the bar says how many examples have been looked at."""
        seen = 0
        for block in blocks:
            yield block
            seen += len(next(iter(block.values())))
            self.display.numbers(f"{speed}  validation of {seen:,}")
        self.display.numbers(speed)

    def _keep_a_best(self, state: TrainState) -> None:
        """Where no validation chose a best state, the last one is used."""
        if self.progress.best_value is None:
            self.progress.best_step = int(state.step)
            self.checkpoints.save_best(state, asdict(self.progress))

    def _stagnant(self) -> bool:
        """Says whether the learning rate is to be reduced after a validation."""
        patience, vain = self.config.reduce_patience, self.progress.without_improvement
        return patience > 0 and vain > 0 and vain % patience == 0

    def _exhausted(self, step: int) -> str | None:
        """Says "early" when patience is at its end, in the last stage."""
        stages, patience = self.experiment.stages, self.config.patience
        if stages and step <= stages[-1].start:  # what follows has not had its chance
            return None
        return "early" if 0 < patience <= self.progress.without_improvement else None
