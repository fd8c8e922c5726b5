"""Drawings of networks are of what the networks are made of."""

import io

import pytest
from PIL import Image

from reid_jax.architectures.keyframes import KEYFRAME_MODELS, keyframe_layers
from reid_jax.architectures.temporal import temporal_layers, temporal_module_names
from reid_jax.commands.learn import models
from reid_jax.errors import UserError
from reid_jax.models import block_names
from reid_jax.reporting.drawing import boxes_of, draw_network


@pytest.mark.parametrize("name", temporal_module_names())
def test_boxes_of_an_encoder_hold_all_its_parameters(name):
    layers = temporal_layers(name, frames=16, features=12)
    boxes = boxes_of(layers)
    assert sum(box.parameters for box in boxes) == sum(layer.parameters for layer in layers)
    names = [layer.name for layer in layers]
    places = [next(i for i, n in enumerate(names) if n.startswith(box.name)) for box in boxes]
    assert places == sorted(places)
    assert boxes[-1].output == [layer.output for layer in layers if layer.output][-1]


def test_boxes_of_a_keyframe_network_are_its_backbones_blocks_and_its_scorers_parts():
    backbone, _ = KEYFRAME_MODELS["Model 2"]
    boxes = boxes_of(keyframe_layers("Model 2", frames=4, input_size=32))
    names = [box.name for box in boxes]
    blocks = [f"backbone/{name}" for name in block_names(backbone)]
    parts = ("projection", "encoder", "dual", "norm", "hidden", "score")
    assert names == [*blocks, *(f"scorer/{name}" for name in parts)]
    assert boxes[-1].output == (4, 1)


def test_a_drawing_is_a_picture_of_as_many_columns_as_it_needs():
    sizes = {}
    for name in ("mean", "keyframe scorer"):
        layers = temporal_layers(name, frames=16, features=12)
        drawn = draw_network(name, "features: 16 x 12", layers)
        sizes[name] = Image.open(io.BytesIO(drawn)).size
    assert sizes["mean"][0] == sizes["keyframe scorer"][0]
    assert sizes["mean"][1] < sizes["keyframe scorer"][1]
    layers = keyframe_layers("Model 2", frames=4, input_size=32)
    wide = Image.open(io.BytesIO(draw_network("Model 2", "images", layers))).size
    assert wide[0] == 3 * sizes["mean"][0]


def test_the_command_draws_one_network(tmp_path, capsys):
    models("small_cnn", plot=tmp_path / "drawn" / "small.png")
    assert Image.open(tmp_path / "drawn" / "small.png").format == "PNG"
    assert "drawn: " in capsys.readouterr().out
    for name, file in ((None, "all.png"), ("small_cnn", "small.pdf")):
        with pytest.raises(UserError, match="--plot draws one network into a PNG file"):
            models(name, plot=tmp_path / file)
