"""What a person may set of any training: one frozen dataclass a section, read by the trainer only.

Field docstrings are the texts of `--help`. What a field may be stands in its type and is checked
before anything is compiled; what depends on the data (more individuals a batch than there are) is
refused when the data has been read.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from reid_jax import fields
from reid_jax.errors import UserError
from reid_jax.fields import FRACTION, HIDDEN, NOT_NEGATIVE, OFTEN, POSITIVE, Auto, left_open
from reid_jax.ops.keys import STREAMS
from reid_jax.training.stages import check_stages

AUTO = 0  # a batch size that is still to be found
OPEN = -1  # another number that is, by how long a run may take


@dataclass(frozen=True)
class OptimizerConfig:
    """How parameters move."""

    name: Literal["sgd", "adamw"] = "adamw"
    """Stochastic gradient descent with Nesterov momentum, or AdamW."""
    learning_rate: Annotated[float, POSITIVE, OFTEN] = 1e-3
    """The highest rate, reached after the warm-up."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """After the warm-up, down a cosine over all steps, or the same rate to the end."""
    final_learning_rate: Annotated[float, NOT_NEGATIVE] = 0.0
    """Where the cosine ends."""
    warmup_steps: Annotated[int, NOT_NEGATIVE, Auto(OPEN)] = 100
    """Steps of linear warm-up from zero."""
    momentum: Annotated[float, FRACTION] = 0.9
    """Of sgd."""
    weight_decay: Annotated[float, NOT_NEGATIVE] = 1e-4
    """Decoupled; not applied to biases, BatchNorm and other vectors."""
    clip_norm: Annotated[float, NOT_NEGATIVE] = 0.0
    """Scale gradients whose global norm is above this; 0 never."""
    ema_decay: Annotated[float, FRACTION] = 0.0
    """Evaluate a moving average of the parameters with this decay; 0 evaluates the last ones."""


@dataclass(frozen=True)
class TrainConfig:
    """How long, how often, on what."""

    steps: Annotated[int, NOT_NEGATIVE, Auto(OPEN), OFTEN] = 1000
    """Updates of the parameters; 0 takes published weights (--model.pretrained) as they are; auto
    as many as there is time for (--minutes, for photos)."""
    seed: Annotated[int, NOT_NEGATIVE] = 0
    """Of initialisation, sampling, augmentation and splits."""
    streams: Annotated[int, HIDDEN] = STREAMS
    """How keys follow from the seed, see `reid_jax.ops.keys`; not to be chosen."""
    log_every: Annotated[int, POSITIVE] = 20
    """Steps between rows of metrics.jsonl."""
    evaluate_every: Annotated[int, POSITIVE, Auto(OPEN)] = 200
    """Steps between validations."""
    checkpoint_every: Annotated[int, POSITIVE, Auto(OPEN)] = 200
    """Steps between checkpoints."""
    patience: Annotated[int, NOT_NEGATIVE] = 0
    """Stop after this many validations without improvement; 0 never. Of several stages, the last
    one can end so; each counts anew."""
    min_delta: Annotated[float, NOT_NEGATIVE] = 0.0
    """A validation is an improvement for the two patiences when it is better by more than this; the
    best network is kept whatever the difference."""
    reduce_patience: Annotated[int, NOT_NEGATIVE] = 0
    """Reduce the learning rate after this many validations without improvement; 0 never. Each stage
    starts at the full rate."""
    reduce_factor: Annotated[float, POSITIVE] = 0.5
    """What the learning rate is then multiplied by."""
    blend: tuple[float, ...] = ()
    """After the last step validation also judges what training started from (0.0) and mixtures, so
    far on the way from there to the end (0.5); the best of all is the run's network."""
    steps_per_call: Annotated[int, POSITIVE] = 1
    """Steps a compiled call with a resident set (streamed: 1); 10-100 on a GPU or TPU, and for a
    small network on a CPU where oneDNN convolves."""
    accumulate: Annotated[int, POSITIVE] = 1
    """Passes that a batch is made in, for the memory of a part and one more forward pass. The loss
    still sees the whole batch; BatchNorm sees a part at a time."""
    profile: Annotated[int, NOT_NEGATIVE, OFTEN] = 0
    """Write an XProf trace of so many steps, after the first two calls, to WORKDIR/profile."""
    parallel: Annotated[Literal["auto", "single", "pmap", "mesh"], OFTEN] = "auto"
    """One device of this machine, or all of them: under pmap, where each holds everything, or by
    jit over a mesh, which divides class centres over them where they divide the number of training
    individuals. auto is pmap on one machine, a mesh on several."""
    coordinator: str = ""
    """Several processes: HOST:PORT of the first one, or auto under SLURM and on Cloud TPU; empty
    for this process alone."""


def check(config: Any, *, untrained: bool = False) -> None:
    """Refuses what can be seen to be impossible of a configuration of any question.

    Args:
      config: with `data.batch_size`, `optimizer` and `train`, and with `stages` where a backbone
        may be frozen.
      untrained: whether a run of no steps is of use.

    Raises:
      UserError: naming the field, its value and what would be right.
    """
    fields.check(config)
    optimizer, train = config.optimizer, config.train
    undecided = left_open(optimizer, "optimizer") | left_open(train, "train")
    if undecided and not getattr(config, "minutes", 0):
        raise UserError(
            f"{next(iter(undecided))} is auto: say how long the run may take (--minutes), or "
            "give a number."
        )
    if optimizer.schedule == "constant" and optimizer.final_learning_rate:
        raise UserError(
            f"optimizer.final_learning_rate is {optimizer.final_learning_rate}, but a constant "
            "schedule never comes to it; leave it at 0, or set optimizer.schedule to cosine."
        )
    if not (train.steps or untrained):
        raise UserError(
            "train.steps is 0, which gives published features as they are; it must be above 0 "
            "where something is to be learnt from the start."
        )
    if 0 < train.steps <= optimizer.warmup_steps:
        raise UserError(
            f"optimizer.warmup_steps is {optimizer.warmup_steps}, but train.steps is only "
            f"{train.steps}; warm up for fewer steps (--optimizer.warmup-steps)."
        )
    if config.data.batch_size % train.accumulate:
        raise UserError(
            f"data.batch_size is {config.data.batch_size}, which is not a multiple of "
            f"train.accumulate ({train.accumulate})."
        )
    for name in ("steps", "log_every", "evaluate_every", "checkpoint_every"):
        if f"train.{name}" not in undecided and getattr(train, name) % train.steps_per_call:
            raise UserError(
                f"train.{name} is {getattr(train, name)}, which is not a multiple of "
                f"train.steps_per_call ({train.steps_per_call})."
            )
    check_stages(getattr(config, "stages", ()), train.steps, train.steps_per_call)


def check_patience(train: TrainConfig, *, validated: bool) -> None:
    """Refuses to wait for a better validation where there is none.

    Raises:
      UserError: naming the field.
    """
    for name in ("patience", "reduce_patience"):
        if train.blend and name == "patience" and train.patience:
            raise UserError(
                "train.blend is judged after the last step, which train.patience may never come to."
            )
        if getattr(train, name) and not validated:
            raise UserError(
                f"train.{name} is {getattr(train, name)}, but there is no validation; set "
                f"data.validation_fraction above 0, or train.{name} to 0."
            )
