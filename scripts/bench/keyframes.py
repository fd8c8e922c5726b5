"""Suite ``keyframes``: an epoch of the keyframe scorer, and the scores of one long video.

The epoch is a whole one, on a CPU too: 40 videos of 200 to 700 frames of random features live on
the device, and every video gives one clip, drawn within the time, padded where the video is
shorter; a step is squared error and soft Spearman, dropout, gradient and AdamW. A rate counts the
frames that exist, not the padding. On a GPU the networks run in bfloat16, and an epoch is one call.

The peer is the same network in PyTorch, weight for weight: scaled_dot_product_attention over the
whole clip, for the window with a T x T mask. What both find for the same weights and frames, in
float32 and without dropout, is compared: of an epoch the loss of a batch, of a long video the
squared error of its first 3,000 frames, as a video of their own, to random targets.
"""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax

from reid_jax.compilations import program_memory
from reid_jax.keyframes.clip_feed import make_clip_feed
from reid_jax.keyframes.clips import ClipAugmentation
from reid_jax.keyframes.net import KeyframeNet, KeyframeScorer
from reid_jax.keyframes.task import KeyframeLoss, KeyframeTask
from reid_jax.keyframes.video_set import VideoSet, end_to_end
from reid_jax.plan.measure import Measurement, measure, measure_compiled
from reid_jax.plan.roofline import Work, attainable_seconds, ceilings
from reid_jax.training.optimizer import make_optimizer
from reid_jax.training.parallel import make_layout
from reid_jax.training.state import TrainState, create_state
from reid_jax.training.step import make_train_step
from scripts.bench.beside import difference, run_peer
from scripts.bench.report import as_rate, make_row

DROPOUT, RATE, DECAY = 0.1, 1e-3, 1e-4
LOSS = KeyframeLoss()
COMPARED = 3000  # frames: attended in blocks, as longer videos are
_SIZES = ("width", "depth", "heads", "head_dim", "mlp", "dual_head_dim", "radius", "hidden")
_TIMEOUT = 600.0


@dataclass(frozen=True)
class Epoch:
    """A clip of each video, `batch` clips a step; videos of `shortest` to `longest` frames."""

    videos: int = 40
    shortest: int = 200
    longest: int = 700
    clip: int = 256
    batch: int = 8
    features: int = 1280

    def __str__(self) -> str:
        return f"epoch of {self.videos} videos, clips of {self.clip}, batch {self.batch}"

    @property
    def steps(self) -> int:
        return self.videos // self.batch


@dataclass(frozen=True)
class Sequence:
    """One video, scored at once."""

    frames: int = 10_000
    features: int = 1280

    def __str__(self) -> str:
        return f"scores of one video of {self.frames:,} frames"


def run(
    epoch: Epoch | None = None,
    sequence: Sequence | None = None,
    scorer: KeyframeScorer | None = None,
    *,
    peer: bool = False,
    repeats: int | None = None,
) -> list[dict[str, Any]]:
    """A row for the epoch and one for the long video, of the default scorer at its default size."""
    scorer = scorer or KeyframeScorer()
    times: Any = {"peer": peer, "repeats": repeats or (5 if jax.default_backend() == "cpu" else 7)}
    first = epoch_row(epoch or Epoch(), scorer, **times)
    return [first, sequence_row(sequence or Sequence(), scorer, **times)]


def make_videos(case: Epoch) -> VideoSet:
    """Random features and importances; lengths spread evenly on a logarithmic scale."""
    random = np.random.default_rng(0)
    lengths = np.rint(np.geomspace(case.shortest, case.longest, case.videos)).astype(int)
    return end_to_end(
        [random.standard_normal((length, case.features), np.float32) for length in lengths],
        [random.random(length, np.float32) for length in lengths],
    )


def make_batch(clips: int, frames: int, features: int, seed: int) -> dict[str, np.ndarray]:
    """Random clips; of all but the first the last quarter is padding."""
    random = np.random.default_rng(seed)
    last = np.where(np.arange(clips) == 0, frames, frames - frames // 4)
    return {
        "features": random.standard_normal((clips, frames, features), np.float32),
        "target": random.random((clips, frames), np.float32),
        "mask": np.arange(frames)[None] < last[:, None],
    }


def work(scorer: KeyframeScorer, params: Any, clips: int, frames: int, *, train: bool) -> Work:
    """Matrix products, three times as many in training but for the gradient by the features.

    What is read and written: features, parameters, and in training the optimiser's moments.
    """
    kernels = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim == 2]
    first = params["net"]["scorer"]["projection"]["kernel"]
    whole = scorer.heads * (scorer.depth * scorer.head_dim + scorer.dual_head_dim) * frames
    window = scorer.heads * scorer.dual_head_dim * min(2 * scorer.radius + 1, frames)
    a_frame = 2.0 * sum(kernel.size for kernel in kernels) + 4.0 * (whole + window)
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    number = clips * frames
    read = 4.0 * (number * first.shape[0] + count)
    if not train:
        return Work(a_frame * number, read)
    return Work((3 * a_frame - 2.0 * first.size) * number, read + 4.0 * 5 * count)


def epoch_row(
    case: Epoch, scorer: KeyframeScorer, *, peer: bool, repeats: int = 5
) -> dict[str, Any]:
    """Frames a second of an epoch; a last batch that is not full is left out."""
    videos = make_videos(case)
    task, params, precision = _start(scorer.clone(dropout=DROPOUT), case.features)
    tensors = tensors_of(params)
    batch = make_batch(case.batch, case.clip, case.features, seed=0)
    ours = _time_epochs(case, task, params, videos, repeats)
    theirs, apart = None, None
    if peer:
        said = {**_network(scorer), "dropout": DROPOUT, "rate": RATE, "decay": DECAY}
        said |= {"temperature": LOSS.temperature, "squared": LOSS.squared, "rank": LOSS.rank}
        said |= {"clip": case.clip, "batch": case.batch}
        with tempfile.TemporaryDirectory() as folder:
            for name, arrays in (("weights", tensors), ("videos", vars(videos)), ("first", batch)):
                said[name] = str(Path(folder) / f"{name}.npz")
                np.savez(said[name], **arrays)
            theirs = run_peer("keyframe_scorer", said, repeats=repeats, timeout=_TIMEOUT)
        apart = difference([first_loss(scorer, params, batch)], theirs)
    step = work(scorer, params, case.batch, case.clip, train=True)
    row = make_row(
        "keyframes",
        str(case),
        ours,
        theirs,
        attainable=case.steps * attainable_seconds(step, ceilings(precision)),
        loss_difference=apart,
        note=f"{case.steps} steps; losses compared without dropout",
    )
    frames = np.minimum(videos.length, case.clip).mean() * case.steps * case.batch
    return as_rate(row, float(frames), "frames/s")


def sequence_row(
    case: Sequence, scorer: KeyframeScorer, *, peer: bool, repeats: int = 5
) -> dict[str, Any]:
    """Milliseconds for the scores of a video, alone in its batch and without padding."""
    task, params, precision = _start(scorer, case.features)

    def make(seed: int) -> dict[str, np.ndarray]:
        return make_batch(1, case.frames, case.features, seed)

    def scored(seed: int) -> dict[str, np.ndarray]:
        return {name: make(seed)[name] for name in ("features", "mask")}

    ours = measure_compiled(
        lambda params, batch: task.predict(params, {}, batch),
        lambda seed: (params, scored(seed)),
        repeats=repeats,
        keep=lambda _: None,
    )
    theirs, apart = None, None
    if peer:
        with tempfile.TemporaryDirectory() as folder:
            weights = str(Path(folder) / "weights.npz")
            np.savez(weights, **tensors_of(params))  # type: ignore[arg-type]
            said = {**_network(scorer), "dropout": 0.0, "weights": weights}
            said["compared"] = COMPARED
            theirs = run_peer("keyframe_scorer", said, make, repeats=repeats, timeout=_TIMEOUT)
        first = {name: values[:, :COMPARED] for name, values in make(0).items()}
        apart = difference([first_error(scorer, params, first)], theirs)
    row = make_row(
        "keyframes",
        str(case),
        ours,
        theirs,
        attainable=attainable_seconds(
            work(scorer, params, 1, case.frames, train=False), ceilings(precision)
        ),
        loss_difference=apart,
        note="batch 1",
    )
    thousandths = {key: 1e3 * row[key] if row[key] else None for key in ("ours", "peer")}
    return {**row, **thousandths, "unit": "ms"}


def first_loss(scorer: KeyframeScorer, params: Any, batch: Mapping[str, Any]) -> float:
    """The loss of a batch that the peer must find as well: float32, no dropout."""
    task = _make_task(scorer.clone(dropout=0.0, dtype=jnp.float32))

    @jax.jit
    def total(params: Any, batch: Mapping[str, Any]) -> jax.Array:
        terms, _ = task.loss(params, {}, batch, jax.random.key(0), None)
        return sum(
            (term.weight * term.total / term.number for term in terms.values()),
            jnp.zeros((), jnp.float32),
        )

    with jax.default_matmul_precision("highest"):
        return float(total(params, batch))


def first_error(scorer: KeyframeScorer, params: Any, batch: Mapping[str, Any]) -> float:
    """The squared error of a video's scores that the peer must find as well: float32."""
    task = _make_task(scorer.clone(dtype=jnp.float32))
    predict = jax.jit(task.predict)
    with jax.default_matmul_precision("highest"):
        scores = predict(params, {}, {name: batch[name] for name in ("features", "mask")})
        return float(np.mean(np.square(np.asarray(scores) - batch["target"])))


def tensors_of(params: Any) -> dict[str, np.ndarray]:
    """The weights by the names of the peer's network, copied to the host."""
    found = {}
    for path, leaf in flax.traverse_util.flatten_dict(params["net"]["scorer"]).items():
        kind = "bias" if path[-1] == "bias" else "weight"
        found[".".join([*path[:-1], kind])] = np.array(leaf.T if path[-1] == "kernel" else leaf)
    return found


def _network(scorer: KeyframeScorer) -> dict[str, Any]:
    return {name: getattr(scorer, name) for name in _SIZES}


def _make_task(scorer: KeyframeScorer) -> KeyframeTask:
    return KeyframeTask(KeyframeNet(scorer), LOSS)


def _start(scorer: KeyframeScorer, features: int) -> tuple[KeyframeTask, Any, Any]:
    """The task, its first parameters, and the arithmetic of its network."""
    precision = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    task = _make_task(scorer.clone(dtype=jnp.dtype(precision)))
    example = {"features": np.zeros((1, 1, features), np.float32)}
    params, _ = task.init(jax.random.key(0), example)
    return task, params, precision


def _time_epochs(
    case: Epoch, task: KeyframeTask, params: Any, videos: VideoSet, repeats: int
) -> Measurement:
    feed = make_clip_feed(
        videos,
        name="features",
        clip=case.clip,
        batch_size=case.batch,
        spec=ClipAugmentation(),
        seed=0,
        steps_per_call=1 if jax.default_backend() == "cpu" else case.steps,
    )
    optimizer = make_optimizer(
        "adamw", optax.constant_schedule(RATE), momentum=0.0, weight_decay=DECAY, clip_norm=0.0
    )
    layout = make_layout("single")
    params = jax.tree.map(jnp.copy, params)  # donated below
    state = layout.everywhere(create_state(params, {}, optimizer, ema=False))
    shared = layout.everywhere(feed.shared)
    step = feed.make_step(make_train_step(task, optimizer, seed=0, ema_decay=0.0))
    function = layout.compile(step, batch_axis=feed.batch_axis, donate=True)

    def make_rows(seed: int) -> list[Any]:
        calls = feed.calls(seed * case.steps, (seed + 1) * case.steps)
        return [layout.divide(rows, feed.batch_axis) for rows, _ in calls]

    started = time.perf_counter()
    compiled = function.lower(state, shared, make_rows(0)[0]).compile()
    compiling = time.perf_counter() - started
    current: list[TrainState] = [state]

    def call(calls: list[Any]) -> Any:
        for rows in calls:
            current[0], metrics = compiled(current[0], shared, rows)
        return current[0], metrics

    measured = measure(call, make_rows, repeats=repeats, keep=lambda _: None)
    held = program_memory(compiled, inputs=False)
    return Measurement(measured.seconds, measured.spread, held, compiling, ())
