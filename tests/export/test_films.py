"""Scorers of frames and encoders of clips, out of JAX: from features and from images."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import reid_jax as rj
from reid_jax.export.engines.table import engine
from reid_jax.keyframes.config import KeyframeConfig
from reid_jax.keyframes.experiment import make_task as make_scorer_task
from reid_jax.keyframes.inputs import fit_preparation
from reid_jax.keyframes.model import TrainedScorer
from reid_jax.keyframes.task import PREPARATION
from reid_jax.same_video.config import VideoSimilarityConfig
from reid_jax.same_video.experiment import make_task as make_clip_task
from reid_jax.same_video.model import SimilarityRun
from reid_jax.same_video.task import WHITENING
from reid_jax.same_video.whitening import fit_whitening

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

WIDTH = 12
RNG = np.random.default_rng(5)
VIDEOS = [RNG.normal(size=(30, WIDTH)).astype(np.float32) for _ in range(3)]


def drawn(tree):
    """Numbers in the place of what begins at 0 or 1, so that no part is without effect."""
    rng = np.random.default_rng(2)
    return jax.tree.map(
        lambda leaf: np.asarray(leaf + 0.1 * rng.random(size=leaf.shape), np.float32), tree
    )


def scorer(backbone: str = "", **model) -> TrainedScorer:
    config = KeyframeConfig()
    sizes = {"width": 16, "depth": 1, "heads": 2, "head_dim": 4, "mlp": 8, "hidden": 8, "radius": 3}
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, image_size=24, components=6 if backbone else 8),
        model=dataclasses.replace(config.model, backbone=backbone, **sizes, **model),
    )
    task = make_scorer_task(config)
    prepared = fit_preparation(VIDEOS, components=8, context=0.5)
    given = np.zeros((1, 4, len(prepared["deviation"])), np.float32)
    batch = {"image": np.zeros((1, 4, 24, 24, 3), np.uint8)} if backbone else {"features": given}
    params, state = task.init(jax.random.key(0), batch)
    state = dict(state) if backbone else {**state, PREPARATION: prepared}
    return TrainedScorer(Path("a_run"), config, drawn(params), state, 3)


def similarity(backbone: str = "", **model) -> SimilarityRun:
    config = VideoSimilarityConfig()
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, clip=8, image_size=24),
        model=dataclasses.replace(
            config.model, embedding_dim=6, width=16, backbone=backbone, **model
        ),
    )
    task = make_clip_task(config, num_classes=0)
    frames = np.ones((1, 4), bool)
    batch = {"features": np.zeros((1, 4, WIDTH), np.float32), "frames": frames}
    if backbone:
        batch = {"image": np.zeros((1, 4, 24, 24, 3), np.uint8), "frames": frames}
    params, state = task.init(jax.random.key(0), batch)
    if not backbone:
        state = {**state, WHITENING: fit_whitening(VIDEOS, 6)}
    return SimilarityRun(Path("a_run"), config, drawn(params), dict(state), 3, 0.4)


def example(folder: Path, *words: object) -> list[str]:
    done = subprocess.run(
        [sys.executable, folder / "example.py", *map(str, words)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_a_scorer_of_features_takes_any_number_of_frames(tmp_path):
    run = scorer(ridge=1.0, smoothing=1.5, dtype="bfloat16")
    folder = run.export("onnx", tmp_path / "out")
    facts = json.loads((folder / "model.json").read_text())
    assert facts["rows"] == "frames of one film"
    assert facts["input"]["shape"] == ["N", WIDTH]
    assert facts["outputs"] == [{"name": "score", "dtype": "float32", "shape": ["N"]}]
    assert set(facts["checked"]["differences"]) == {"1", "3", "8", "40"}
    ask = engine("onnx").opened(folder, facts)
    exact = dataclasses.replace(
        run,
        config=dataclasses.replace(
            run.config, model=dataclasses.replace(run.config.model, dtype="float32")
        ),
    )
    film = np.concatenate(VIDEOS)
    scores = ask(film)["score"]
    np.testing.assert_allclose(scores, exact.score(film), atol=1e-5)
    np.save(tmp_path / "film.npy", film)
    best = int(scores.argmax())
    assert example(folder, tmp_path / "film.npy")[0] == f"frame {best}: {scores[best]:.3f}"


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_a_scorer_of_images(tmp_path, ridge):
    run = scorer("small_cnn", ridge=ridge)
    folder = run.export("onnx", tmp_path / "out")
    facts = json.loads((folder / "model.json").read_text())
    assert facts["input"]["shape"] == ["N", 24, 24, 3]
    assert len(example(folder)) == 3


@pytest.mark.parametrize("encoder", ["attention", "graph"])
def test_an_encoder_of_clips(tmp_path, encoder):
    run = similarity(encoder=encoder)
    folder = run.export("onnx", tmp_path / "out")
    facts = json.loads((folder / "model.json").read_text())
    assert facts["frames_at_least"] == (4 if encoder == "graph" else 1)
    assert [each["name"] for each in facts["outputs"]] == ["embedding", "frames"]
    assert facts["thresholds"] == {"same_video": 0.4}
    files = [tmp_path / "one.npy", tmp_path / "other.npy"]
    for file, clip in zip(files, VIDEOS, strict=False):
        np.save(file, clip)
    found = run.similarity(VIDEOS[0], VIDEOS[1])
    verdict = "same video" if found.same else "different"
    assert example(folder, *files)[0] == f"Chamfer {found.chamfer:.3f}: {verdict}"
    assert example(folder, files[0], files[0])[1] == "cosine of embeddings 1.000"
    learned = example(folder, *files)[2]
    assert learned.startswith(f"learned similarity {found.network:.3f}, ")


def test_an_encoder_of_clips_of_images(tmp_path):
    folder = similarity("small_cnn").export("onnx", tmp_path / "out")
    assert example(folder)[0].startswith("Chamfer ")


@pytest.mark.parametrize("word", ["installed:keyframes", "installed:same-video"])
def test_what_is_installed(tmp_path, word):
    folder = rj.load(word).export("onnx", tmp_path / "out")
    assert example(folder)


@pytest.mark.exhaustive
@pytest.mark.parametrize("to", ["stablehlo", "openvino", "litert"])
def test_other_engines(tmp_path, to):
    pytest.importorskip({"openvino": "openvino", "litert": "ai_edge_litert"}.get(to, "jax"))
    batch = 12 if to == "litert" else 0
    for number, run in enumerate((scorer(ridge=1.0), scorer("small_cnn"), similarity())):
        run.export(to, tmp_path / str(number), batch=batch)
