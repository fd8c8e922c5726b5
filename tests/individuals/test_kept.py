"""Embeddings that are kept are those that the network makes, to the bit."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from reid_jax.data import cache as kept
from reid_jax.data.photos import checks, load_dataset
from reid_jax.data.photos.transforms import with_mirror_images
from reid_jax.individuals import kept as keys
from reid_jax.individuals.kept import Kept, named
from reid_jax.individuals.model import TrainedModel, embed_beside_baselines, load_run
from tests.tiny_run import make_tiny_run


@pytest.fixture(autouse=True)
def on(cache, monkeypatch):
    monkeypatch.setenv(kept.LIMIT, "1")
    monkeypatch.setattr(kept, "_without", set())
    monkeypatch.setattr(checks, "_YOUNG", -1)


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for n in range(70):
        file = tmp_path / "photos" / str(n % 3) / f"{n}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (30, 26, 3)).astype(np.uint8)).save(file)
    return load_dataset(f"folder:{tmp_path / 'photos'}", seed=0)


def counting(monkeypatch):
    """How many photos were read to be embedded."""
    read = []
    load = type(load_dataset("synthetic:2x2", seed=0)).load

    def counted(self, indices, *args, **options):
        read.extend(indices)
        return load(self, indices, *args, **options)

    monkeypatch.setattr("reid_jax.data.photos.dataset.Dataset.load", counted)
    return read


def test_the_same_bytes_with_and_without(tmp_path, photos, monkeypatch):
    model = load_run(make_tiny_run(tmp_path / "run"))
    with monkeypatch.context() as off:
        off.setenv(kept.LIMIT, "0")
        expected = embed_beside_baselines(model, photos)
    some = np.array([69, 3, 4, 40, 12])
    np.testing.assert_array_equal(model.embed(photos, some), expected["this network"][some])
    read = counting(monkeypatch)
    for _ in range(2):  # a part is there, then all
        found = embed_beside_baselines(model, photos)
        assert list(found) == list(expected)
        for name, embeddings in expected.items():
            np.testing.assert_array_equal(found[name], embeddings)
            assert found[name].dtype == embeddings.dtype
        again = len(read)
    assert again == 2 * 70  # for the networks, and as they are
    np.testing.assert_array_equal(model.embed(photos), expected["this network"])
    assert len(read) == again


def test_another_network_size_or_views_makes_other_rows(tmp_path, photos):
    model = load_run(make_tiny_run(tmp_path / "run"))

    def changed(section, **fields):
        config = dataclasses.replace(
            model.config,
            **{section: dataclasses.replace(getattr(model.config, section), **fields)},
        )
        return dataclasses.replace(model, config=config)

    others = {
        "weights": dataclasses.replace(
            model, params={**model.params, "net": {"a": np.zeros(3, np.float32)}}
        ),
        "size": changed("data", image_size=32),
        "views": changed("model", views=2),
        "dtype": changed("model", dtype="bfloat16"),
        "devices": changed("train", parallel="pmap"),
    }
    names = {name: other._named(other.trained) for name, other in others.items()}
    names["this"] = model._named(model.trained)
    names["features"] = model._named(model.trained._replace(ends_with="features"))
    assert len(set(names.values())) == len(names)
    whitened = changed("model", whiten=0.5)  # which comes after
    assert whitened._named(whitened.trained) == names["this"]
    again = TrainedModel(model.workdir, model.config, model.params, model.model_state, model.step)
    assert again._named(again.trained) == names["this"]


def test_the_program_and_its_libraries_are_in_the_name(monkeypatch):
    first = named("x")
    for change in (("_PACKAGES", ("numpy",)), ("_CODE", ("ops",)), ("_SETTINGS", ())):
        keys._program.cache_clear()
        with monkeypatch.context() as other:
            other.setattr(keys, *change)
            assert named("x") != first
    keys._program.cache_clear()
    assert named("x") == first != named("y")


def test_of_photos_in_memory_nothing_is_kept(cache):
    rows = Kept(b"maker", None, 2)
    np.testing.assert_array_equal(rows.filled(lambda: np.eye(2, dtype=np.float32)), np.eye(2))
    assert not cache.exists()
    one = Kept(b"maker", np.array([b"a", b"b"], "S32"), 2)
    assert one.missing.all()
    one.filled(lambda: np.eye(2, dtype=np.float32))
    assert Kept(b"maker", np.array([b"b", b"c"], "S32"), 2).missing.tolist() == [False, True]
    assert Kept(b"other", np.array([b"b", b"c"], "S32"), 2).missing.all()


def test_a_mirrored_photo_is_another_one(tmp_path, photos):
    model = load_run(make_tiny_run(tmp_path / "run"))
    both = with_mirror_images(photos)
    first, other = np.split(model.embed(both), 2)
    np.testing.assert_array_equal(first, model.embed(photos))
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(np.split(model.embed(both), 2)[1], other)
