"""No random key of a run is used twice, and older runs go on with the keys that they began with."""

import collections
import dataclasses
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from reid_jax.individuals.task import EmbeddingTask
from reid_jax.keyframes.clip_feed import make_clip_feed
from reid_jax.keyframes.clips import ClipAugmentation
from reid_jax.keyframes.config import KeyframeConfig
from reid_jax.keyframes.net import KeyframeNet, KeyframeScorer
from reid_jax.keyframes.task import PREPARATION, KeyframeTask
from reid_jax.keyframes.video_set import end_to_end
from reid_jax.models import EmbeddingNet
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.keys import clip_keys, initial_key, step_key
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.training.config_file import claim_workdir, kept_streams
from reid_jax.training.state import create_state
from reid_jax.training.step import make_train_step
from tests.tiny_run import read_run_config

STEPS = 100


class Register:
    """Who made a key and who drew from it, while programs run: lines of code, by the key."""

    def __init__(self, patch):
        self.made = collections.defaultdict(set)
        self.divided = collections.defaultdict(set)
        self.drawn = collections.Counter()
        for name in ("split", "fold_in"):
            patch.setattr(jax.random, name, self._dividing(getattr(jax.random, name)))
        for name in ("uniform", "normal", "bernoulli"):
            patch.setattr(jax.random, name, self._drawing(getattr(jax.random, name)))

    def _dividing(self, function):
        def divide(key, *arguments):
            line = caller()
            children = function(key, *arguments)

            def note(above, below):
                self.divided[above.tobytes()].add(line)
                for child in below.reshape(-1, 2):
                    self.made[child.tobytes()].add(line)

            jax.debug.callback(note, *map(jax.random.key_data, (key, children)))
            return children

        return divide

    def _drawing(self, function):
        def draw(key, *arguments, **options):
            def note(data):
                self.drawn[data.tobytes()] += 1

            jax.debug.callback(note, jax.random.key_data(key))
            return function(key, *arguments, **options)

        return draw

    def check(self, least, times=1):
        jax.effects_barrier()
        assert len(self.drawn) > least
        assert max(self.drawn.values()) == times, "drawn from once"
        assert not self.drawn.keys() & self.divided.keys(), "drawn from or divided"
        for lines in [*self.made.values(), *self.divided.values()]:
            assert len(lines) == 1, f"one key comes from {lines}"


def caller():
    frame = sys._getframe(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


class Pooled(nn.Module):
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images, train=False):
        features = nn.Dense(4)(images.mean((1, 2)))
        return nn.Dropout(0.5, deterministic=not train)(features)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_hundred_steps_on_photos(monkeypatch, accumulate):
    task = EmbeddingTask(
        net=EmbeddingNet(Pooled()),
        objective=MarginSoftmax(),
        augmentation=Augmentation(erasing=0.5, elastic=0.1),
        num_classes=2,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
    )
    batch = {
        "image": np.zeros((4, 8, 8, 3), np.uint8),
        "label": np.asarray([0, 0, 1, 1], np.int32),
        "mask": np.ones(4, np.bool_),
    }
    with monkeypatch.context() as patch:
        register = Register(patch)
        params, model_state = task.init(initial_key(0), batch)
        optimizer = optax.sgd(0.1)
        step = make_train_step(task, optimizer, seed=0, ema_decay=0.0, accumulate=accumulate)
        step, state = jax.jit(step), create_state(params, model_state, optimizer, ema=False)
        for _ in range(STEPS):
            state, _ = step(state, batch)
        # An accumulated gradient goes through the network once more, with the same keys.
        register.check(least=4 * 2 * STEPS, times=accumulate)


def clips_task(dropout):
    scorer = KeyframeScorer(width=4, depth=1, heads=1, head_dim=4, mlp=4, hidden=4, dropout=dropout)
    return KeyframeTask(net=KeyframeNet(scorer), noise=0.1)


def test_a_hundred_steps_on_clips(monkeypatch):
    videos = end_to_end(
        [np.ones((n, 3), np.float32) for n in (20, 30)], [np.ones(n, np.float32) for n in (20, 30)]
    )
    spec = ClipAugmentation(speed=0.5, jitter=2.0, drop=0.2, mix=0.5)
    with monkeypatch.context() as patch:
        register = Register(patch)
        task = clips_task(dropout=0.1)
        example = {"features": np.ones((1, 1, 3), np.float32)}
        params, model_state = task.init(initial_key(0), example)
        model_state = {**model_state, PREPARATION: {"deviation": jnp.ones(3)}}
        feed = make_clip_feed(
            videos, name="features", clip=8, batch_size=2, spec=spec, seed=0, steps_per_call=1
        )
        optimizer = optax.sgd(0.1)
        step = make_train_step(task, optimizer, seed=0, ema_decay=0.0)
        step = jax.jit(feed.make_step(step))
        state = create_state(params, model_state, optimizer, ema=False)
        for rows, _ in feed.calls(0, STEPS):
            state, _ = step(state, feed.shared, rows)
        register.check(least=2 * 9 * STEPS)


def test_a_mixed_clip_starts_and_jitters_as_any_other():
    """Before, the decision to mix was the first frame's jitter, so that mixed clips began early."""
    clip, other, mixing = clip_keys(0, jnp.arange(4000))
    mixed = jax.vmap(jax.random.uniform)(mixing) < 0.5
    parts = jax.vmap(lambda key: jax.vmap(jax.random.uniform)(jax.random.split(key, 4)))
    for keys in (clip, other):
        draws = parts(keys)
        assert np.abs(draws[mixed].mean(0) - draws[~mixed].mean(0)).max() < 0.04


def test_runs_that_began_before_keep_their_keys(tmp_path):
    seed = jax.random.key(7)
    expected = [
        seed,
        jax.random.fold_in(seed, 5),
        jax.random.fold_in(jax.random.fold_in(seed, 1), 9),
    ]
    clip, other, mixing = clip_keys(7, jnp.asarray([9]), streams=1)
    found = [initial_key(7, 1), step_key(7, jnp.asarray(5), 1), clip[0]]
    for ours, theirs in zip(found, expected, strict=True):
        assert jax.random.key_data(ours).tolist() == jax.random.key_data(theirs).tolist()
    for number, keys in ((1, other), (2, mixing)):
        theirs = jax.random.fold_in(clip[0], number)
        assert jax.random.key_data(keys[0]).tolist() == jax.random.key_data(theirs).tolist()

    config = KeyframeConfig()
    claim_workdir(tmp_path, config)
    values = json.loads((tmp_path / "config.json").read_text())
    assert values["train"].pop("streams") == 2
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert read_run_config(tmp_path).train.streams == 1
    assert kept_streams(tmp_path, config) == config, "nothing was saved"
    (tmp_path / "checkpoints" / "latest" / "1").mkdir(parents=True)
    before = dataclasses.replace(config, train=dataclasses.replace(config.train, streams=1))
    assert kept_streams(tmp_path, config) == before
    claim_workdir(tmp_path, before)
    assert read_run_config(tmp_path).train.streams == 1
