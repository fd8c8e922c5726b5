"""A network that starts from a file of weights, trained and reported as a person would."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from reid_jax.individuals import report
from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.individuals.model import load_run
from reid_jax.models import create_backbone, registry
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.questions import train
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.stages import Stage
from reid_jax.weights import save_pretrained

pytest.importorskip("safetensors")


NAME = "resnet10"  # the half of a ResNet-18, for speed


@pytest.fixture
def small_network(monkeypatch):
    info = registry.backbone_info("resnet18")
    small = dataclasses.replace(
        info, name=NAME, options={**info.options, "stages": (1, 1, 1, 1)}, hub=""
    )
    monkeypatch.setitem(registry._REGISTRY, NAME, small)
    monkeypatch.setattr(report, "_figures", lambda *_: {})


@pytest.mark.usefixtures("small_network")
def test_it_starts_from_the_file_and_is_judged_beside_its_frozen_features(tmp_path):
    network = create_backbone(NAME)
    variables = jax.jit(network.init)(jax.random.key(7), np.zeros((1, 32, 32, 3), np.float32))
    save_pretrained(NAME, variables, tmp_path / "weights.safetensors")
    config = EmbeddingConfig(
        data=DataConfig(
            source="synthetic:12x4", image_size=32, batch_size=8, validation_fraction=0.0
        ),
        model=ModelConfig(
            backbone=NAME, embedding_dim=8, pretrained=str(tmp_path / "weights.safetensors")
        ),
        loss=MarginSoftmax(),
        optimizer=OptimizerConfig(name="sgd", warmup_steps=0),
        # Where the head alone trains, the backbone at the end is what it began with.
        stages=(Stage(0, blocks=0),),
        train=TrainConfig(steps=2, parallel="single"),
    )
    train(config, tmp_path / "run")

    model = load_run(tmp_path / "run")
    assert model.step == 2
    found = {"params": model.params["net"], **model.model_state}
    for collection, expected in variables.items():
        jax.tree.map(np.testing.assert_array_equal, found[collection]["backbone"], expected)
    rows = json.loads((tmp_path / "run" / "report" / "metrics.json").read_text())["baselines"]
    assert set(rows) == {"untrained network", "raw pixels", "frozen features"}
    assert rows["frozen features"]["mAP"] != rows["untrained network"]["mAP"]
