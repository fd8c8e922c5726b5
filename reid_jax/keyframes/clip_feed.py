"""Clips of videos that live in device memory: drawn, gathered and mixed inside the step."""

from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.keyframes.clips import ClipAugmentation, draw_clips
from reid_jax.keyframes.distillation import ATTENTION, taught
from reid_jax.keyframes.video_set import ClipSampler, VideoSet
from reid_jax.ops.keys import STREAMS, clip_keys
from reid_jax.training.feed import Feed
from reid_jax.training.state import TrainState
from reid_jax.training.step import Metrics, TrainStep
from reid_jax.training.task import Batch

_MAPS = taught(ATTENTION)
_NOTHING: Mapping[str, np.ndarray] = {}


def make_clip_feed(
    videos: VideoSet,
    *,
    name: str,
    clip: int,
    batch_size: int,
    spec: ClipAugmentation,
    seed: int,
    steps_per_call: int,
    streams: int = STREAMS,
    said: Mapping[str, np.ndarray] = _NOTHING,
) -> Feed:
    """A feed of clips; `name` is what the task calls the frames: "features" or "image".

    `said` is what a teacher says of the frames, arrays (N, ...) or of whole videos (V, T, T).

    What a clip shows follows from the seed, `streams` and the clip's number alone, so that it does
    not depend on devices or on where a run was interrupted.
    """
    sampler = ClipSampler(len(videos.length), batch_size, seed)
    shared = {
        "frames": videos.frames,
        "target": videos.targets,
        "offset": videos.offset,
        "length": videos.length,
        **said,
    }

    def make_step(train_step: TrainStep) -> TrainStep:
        def steps(
            state: TrainState, shared: Batch, rows: jax.Array, *, axis_name: str | None = None
        ) -> tuple[TrainState, Metrics]:
            def one(state: TrainState, rows: jax.Array) -> tuple[TrainState, Metrics]:
                found = _gather(shared, rows, clip, spec, seed, streams)
                return train_step(state, {name: found.pop("frames"), **found}, axis_name=axis_name)

            if rows.shape[0] == 1:  # XLA on a CPU runs convolutions inside a loop slowly
                state, metrics = one(state, rows[0])
                return state, {key: value.reshape(1) for key, value in metrics.items()}
            return jax.lax.scan(one, state, rows)

        return steps

    def calls(start: int, stop: int) -> Iterator[tuple[np.ndarray, int]]:
        while start < stop:
            count = steps_per_call - start % steps_per_call
            yield np.stack([sampler(step) for step in range(start, start + count)]), count
            start += count

    return Feed(shared, 1, make_step, calls)


def _gather(
    shared: Batch, rows: jax.Array, clip: int, spec: ClipAugmentation, seed: int, streams: int
) -> dict[str, jax.Array]:
    """Of the clips in `rows` (B, 3) "frames" (B, T, ...), "target" and "mask" (B, T), and what a
    teacher says of them; where two are mixed it says half of each."""
    keys, other_keys, mixing_keys = clip_keys(seed, rows[:, 2], streams)
    of_frames = [name for name in shared if name not in ("offset", "length", _MAPS)]

    def clips(keys: jax.Array, video: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
        frames, mask = draw_clips(keys, shared["length"][video], clip, spec)
        places = frames + shared["offset"][video][:, None]
        found = {name: jnp.take(shared[name], places, axis=0, mode="clip") for name in of_frames}
        if _MAPS in shared:
            pairs = video[:, None, None], frames[:, :, None], frames[:, None, :]
            found[_MAPS] = shared[_MAPS][pairs]
        return found, mask

    found, mask = clips(keys, rows[:, 0])
    if not spec.mix:
        return {**found, "mask": mask}
    other, other_mask = clips(other_keys, rows[:, 1])
    draw = jax.vmap(jax.random.uniform)(mixing_keys)
    mixed = mask & other_mask & (draw < spec.mix)[:, None]

    def half(one: jax.Array, another: jax.Array) -> jax.Array:
        # Half of each: what stays is a clip that is neither of the two.
        wide = mixed.reshape(*mixed.shape, *(1,) * (one.ndim - 2))
        return jnp.where(wide, 0.5 * (one + another), one)

    return {**{name: half(found[name], other[name]) for name in found}, "mask": mask}
