"""The tf.data stream, the threads and the resident set give the same batches, bit for bit."""

import itertools
import threading

import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.data.optional_tensorflow import import_tensorflow
from reid_jax.data.photos import IdentitySampler, PairSampler, UniformSampler, load_dataset
from reid_jax.data.photos.resident import gather, load_resident
from reid_jax.data.photos.stream import stream, tensorflow_stream, threaded_stream
from reid_jax.errors import UserError
from tests.paths import shared

STREAMS = [threaded_stream] + ([tensorflow_stream] if import_tensorflow() else [])


@pytest.fixture(scope="module")
def turtles():
    everyone = load_dataset(f"csv:{shared('data/turtles')}")
    return everyone.subset(np.arange(0, len(everyone), 20))


def assert_same(one, two):
    assert one.keys() == two.keys() == {"image", "label", "mask"}
    for name in one:
        array = np.asarray(two[name])
        assert array.dtype == one[name].dtype
        np.testing.assert_array_equal(one[name], array)


@pytest.mark.parametrize("implementation", STREAMS)
@pytest.mark.parametrize("channels", [1, 3])
def test_streamed_batches_are_those_gathered(turtles, implementation, channels):
    sampler = IdentitySampler(turtles.labels, 4, 3, seed=7)
    options = {"size": 40, "channels": channels, "prefetch": 2}
    images = jnp.asarray(load_resident(turtles, 40, channels))
    labels = jnp.asarray(turtles.labels)
    batches = list(implementation(turtles, sampler, start_step=0, num_steps=6, **options))
    assert len(batches) == 6
    assert batches[0]["image"].shape == (12, 40, 40, channels)
    assert batches[0]["label"].dtype == np.int32
    assert batches[0]["mask"].all()
    for step, batch in enumerate(batches):
        assert_same(batch, gather(images, labels, jnp.asarray(sampler(step), jnp.int32)))
    resumed = implementation(turtles, sampler, start_step=4, num_steps=2, **options)
    for batch, expected in zip(resumed, batches[4:], strict=True):
        assert_same(batch, expected)


@pytest.mark.parametrize("implementation", STREAMS)
def test_pixels_in_memory(implementation):
    dataset = load_dataset("synthetic:3x4")
    sampler = PairSampler(dataset.labels, 8, seed=0)
    batches = implementation(
        dataset, sampler, size=96, channels=3, start_step=2, num_steps=2, prefetch=1
    )
    for step, batch in zip((2, 3), batches, strict=True):
        np.testing.assert_array_equal(batch["image"], dataset.pixels[sampler(step)])


@pytest.mark.parametrize("implementation", STREAMS)
def test_a_stream_without_end_can_be_left(implementation):
    dataset = load_dataset("synthetic:2x4")
    before = threading.active_count()
    batches = implementation(
        dataset,
        UniformSampler(8, 4, 0),
        size=16,
        channels=3,
        start_step=10**6,
        num_steps=None,
        prefetch=3,
    )
    assert len(list(itertools.islice(batches, 20))) == 20
    batches.close()
    if implementation is threaded_stream:
        assert threading.active_count() <= before + 16, "only the decoding pool stays"


@pytest.mark.parametrize("implementation", STREAMS)
def test_a_file_that_disappears_is_named(tmp_path, implementation):
    from PIL import Image

    for individual in "ab":
        (tmp_path / individual).mkdir()
        for number in range(2):
            Image.new("RGB", (20, 20)).save(tmp_path / individual / f"{number}.png")
    dataset = load_dataset(f"folder:{tmp_path}")
    (tmp_path / "b" / "1.png").unlink()
    options = {"size": 16, "channels": 3, "start_step": 0, "num_steps": 3, "prefetch": 1}
    with pytest.raises(UserError, match=r"b/1\.png cannot be used as a photo: the file is missing"):
        list(implementation(dataset, UniformSampler(4, 4, 0), **options))


def test_the_default_stream():
    dataset = load_dataset("synthetic:2x4")
    batch = next(stream(dataset, UniformSampler(8, 4, 0), size=16))
    assert batch["image"].shape == (4, 16, 16, 3)
