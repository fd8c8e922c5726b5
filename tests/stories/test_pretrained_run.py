"""A network that starts from a file of weights, trained and reported as a person would."""

import json

import jax
import numpy as np
import pytest

from reid_jax.individuals import report
from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.individuals.model import load_run
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.questions import train
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.stages import Stage
from reid_jax.weights import load_pretrained
from tests.tiny_run import draw_weights

pytest.importorskip("safetensors")


def test_it_starts_from_the_file_and_is_judged_beside_its_frozen_features(monkeypatch, tmp_path):
    monkeypatch.setattr(report, "_figures", lambda *_: {})
    name = draw_weights(monkeypatch, tmp_path / "weights.safetensors")
    variables = load_pretrained(name, tmp_path / "weights.safetensors")
    config = EmbeddingConfig(
        data=DataConfig(
            source="synthetic:12x4", image_size=32, batch_size=8, validation_fraction=0.0
        ),
        model=ModelConfig(
            backbone=name, embedding_dim=8, pretrained=str(tmp_path / "weights.safetensors")
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
