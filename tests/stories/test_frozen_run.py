"""Runs of no steps: published features as they are, used as any other run."""

import dataclasses
import json

import jax
import numpy as np
import pytest

import reid_jax as rj
from reid_jax import configurations, questions
from reid_jax.data.photos import load_dataset
from reid_jax.errors import UserError
from reid_jax.individuals import report
from reid_jax.individuals.config import EmbeddingConfig, check, complete
from reid_jax.individuals.experiment import build, load_data
from reid_jax.individuals.gallery import members
from reid_jax.individuals.model import load_run
from reid_jax.individuals.recipe import chosen
from reid_jax.individuals.run import embed_to_file
from reid_jax.keyframes.config import KeyframeConfig
from reid_jax.keyframes.config import check as check_keyframes
from reid_jax.training.experiment import initial_variables
from reid_jax.training.parallel import make_layout
from reid_jax.weights import load_pretrained
from tests.tiny_run import draw_weights

pytest.importorskip("safetensors")

CONFIGS = [
    name
    for name in configurations.names()
    if isinstance(configurations.get(name), EmbeddingConfig) and not name.startswith("throughput")
]


def frozen(name, network, weights):
    config = configurations.get(name)
    data = dataclasses.replace(
        config.data,
        source="synthetic:8x3",
        split="identity",
        validation_fraction=0.0,
        image_size=32,
    )
    model = dataclasses.replace(
        config.model, backbone=network, pretrained=str(weights), views=min(config.model.views, 1)
    )
    train = dataclasses.replace(config.train, steps=0, parallel="single")
    return dataclasses.replace(config, data=data, model=model, train=train)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_starts_from_the_features_of_its_weights(monkeypatch, tmp_path, name):
    weights = tmp_path / "weights.safetensors"
    config = frozen(name, draw_weights(monkeypatch, weights), weights)
    check(config)
    config, data = complete(config), load_data(config.data, 0)
    config = chosen(config, data, make_layout("single"), 0.0)
    experiment = build(config, *data)  # of fewer photos than a batch has
    shapes = jax.eval_shape(lambda: initial_variables(experiment, 0))
    assert set(shapes[0]["net"]) - {"pool"} == {"backbone"}
    assert experiment.optimizer.init(jax.tree.map(lambda x: np.zeros(x.shape), shapes[0]))
    experiment.schedule(0)


@pytest.mark.exhaustive
def test_it_is_evaluated_embeds_answers_moves_and_goes_on(monkeypatch, tmp_path):
    monkeypatch.setattr(report, "_figures", lambda *_: {})
    weights = tmp_path / "weights.safetensors"
    network = draw_weights(monkeypatch, weights)
    config = frozen("recipe", network, weights)
    run = tmp_path / "run"
    questions.train(config, run)
    questions.train(config, run)  # which has nothing to do
    model = load_run(run)
    assert model.step == 0
    found = {"params": model.params["net"], **model.model_state}
    for collection, expected in load_pretrained(network, weights).items():
        jax.tree.map(np.testing.assert_array_equal, found[collection]["backbone"], expected)
    moved = run.rename(tmp_path / "elsewhere")
    metrics = questions.report(moved)
    written = json.loads((moved / "report" / "metrics.json").read_text())["metrics"]
    assert (metrics["rank1"], metrics["mAP"]) == (written["rank1"], written["mAP"])
    embed_to_file(moved, "synthetic:4x2", tmp_path / "z.npz")
    with np.load(tmp_path / "z.npz") as kept:
        assert kept["embeddings"].shape == (8, 512)
    members.build(moved, "synthetic:8x4", tmp_path / "gallery", 0.5, None)
    photos = load_dataset("synthetic:8x4", seed=0).load(np.arange(2), 64, 3)
    answers = rj.Gallery.open(tmp_path / "gallery").identify(list(photos))
    assert len(answers) == 2


def test_without_weights_there_is_nothing_to_take():
    config = configurations.get("demo")
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, steps=0))
    with pytest.raises(UserError, match=r"train.steps is 0, which gives published features"):
        check(config)
    keyframes = KeyframeConfig()
    data = dataclasses.replace(keyframes.data, path="videos.h5")
    train = dataclasses.replace(keyframes.train, steps=0)
    with pytest.raises(UserError, match="it must be above 0"):
        check_keyframes(dataclasses.replace(keyframes, data=data, train=train))
