"""Files of other networks, which are named, and files of one network under other names."""

from pathlib import Path

import jax
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.weights import load_pretrained
from reid_jax.weights.convert import variables_from_tensors
from reid_jax.weights.names import reference_shapes

pytest.importorskip("safetensors")
from safetensors.numpy import save_file


def test_the_network_that_a_file_is_of_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    shapes = reference_shapes("iresnet18", 0, "insightface")
    file = {f"module.{key}": np.zeros(shape, np.float32) for key, shape in shapes.items()}
    save_file(file, path)
    with pytest.raises(
        UserError, match=r"resnet18 does not have; the nearest is iresnet18, of which all fit"
    ):
        load_pretrained("resnet18", path)
    load_pretrained("iresnet18", path)
    del file["module.fc.weight"]
    save_file(file, path)
    with pytest.raises(UserError, match=r"lacks fc\.weight of iresnet18$"):
        load_pretrained("iresnet18", path)
    number = len(file)
    fit = rf"the nearest is iresnet18, of which {number} of {number + 1} tensors fit"
    with pytest.raises(UserError, match=fit):
        load_pretrained("mobilenet_v2", path)
    save_file({"a.weight": np.zeros(3, np.float32)}, path)
    with pytest.raises(UserError, match="no network here has such names and shapes"):
        load_pretrained("mobilenet_v2", path)


def test_dinov2_as_its_authors_keep_it() -> None:
    name = "vit_small_patch14_reg4_dinov2"
    rng = np.random.default_rng(0)
    shapes = reference_shapes(name, 0, "timm")
    drawn = {key: rng.standard_normal(shape, np.float32) for key, shape in shapes.items()}
    theirs = dict(drawn)
    theirs["register_tokens"] = theirs.pop("reg_token")
    own = rng.standard_normal((1, 1, 384), np.float32)
    theirs["pos_embed"] = np.concatenate([own, drawn["pos_embed"]], 1)
    theirs["cls_token"] = drawn["cls_token"] - own
    theirs["mask_token"] = np.zeros((1, 384), np.float32)
    one = variables_from_tensors(name, theirs, 0, "memory")
    two = variables_from_tensors(name, drawn, 0, "memory")
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), one, two)
