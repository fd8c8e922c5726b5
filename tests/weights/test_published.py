"""Published networks: the exact names and shapes of their files, from disk and from a hub."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import jax
import numpy as np
import pytest

from reid_jax import configurations
from reid_jax.commands.learn import _from_published
from reid_jax.errors import UserError
from reid_jax.individuals.config import EmbeddingConfig, ModelConfig, complete
from reid_jax.individuals.experiment import make_net
from reid_jax.individuals.published import open_model
from reid_jax.models import backbone_info, backbone_names, create_backbone
from reid_jax.training.paths import absolute_weights
from reid_jax.weights import input_info, load_pretrained
from reid_jax.weights.names import dialects, reference_shapes
from reid_jax.weights.published import NAMES, backbone_of, origin_of, published_of
from tests.paths import REPOSITORY

pytest.importorskip("safetensors")
from safetensors.numpy import save_file

# Of each file some names and shapes as they were published, and the number of all tensors that are
# learnt; the others follow from the network by the naming of its family.
MEGA = {
    "patch_embed.proj.weight": (96, 3, 4, 4),
    "layers.0.blocks.0.attn.relative_position_bias_table": (169, 3),
    "layers.0.blocks.1.mlp.fc1.weight": (384, 96),
    "layers.2.blocks.5.attn.qkv.weight": (1152, 384),
    "norm.weight": (768,),
}
MIEW = {
    "backbone.conv_stem.weight": (32, 3, 3, 3),
    "backbone.bn1.running_mean": (32,),
    "backbone.blocks.0.0.conv_exp.weight": (32, 32, 3, 3),
    "backbone.blocks.0.2.bn2.bias": (32,),
    "backbone.blocks.1.0.conv_pwl.weight": (56, 128, 1, 1),
    "backbone.blocks.3.0.conv_dw.weight": (320, 1, 3, 3),
    "backbone.blocks.4.14.se.conv_reduce.weight": (48, 1152, 1, 1),
    "backbone.blocks.5.23.conv_pwl.weight": (328, 1968, 1, 1),
    "backbone.conv_head.weight": (2152, 328, 1, 1),
    "backbone.bn2.running_var": (2152,),
    "pooling.p": (1,),
    "bn.running_mean": (2152,),
    "final.weight": (10, 2152),
}
DINO = {
    "cls_token": (1, 1, 384),
    "reg_token": (1, 4, 384),
    "pos_embed": (1, 1369, 384),
    "patch_embed.proj.weight": (384, 3, 14, 14),
    "blocks.11.ls2.gamma": (384,),
    "blocks.0.mlp.fc1.weight": (1536, 384),
    "norm.bias": (384,),
}
OSNET = {
    "conv1.conv.weight": (64, 3, 7, 7),
    "conv1.bn.running_var": (64,),
    "conv2.0.conv1.conv.weight": (64, 64, 1, 1),
    "conv2.0.conv2a.conv2.weight": (64, 1, 3, 3),
    "conv2.0.conv2d.3.bn.weight": (64,),
    "conv2.0.gate.fc1.bias": (4,),
    "conv2.0.downsample.bn.bias": (256,),
    "conv2.2.0.conv.weight": (256, 256, 1, 1),
    "conv4.1.conv3.bn.running_mean": (512,),
    "conv5.conv.weight": (512, 512, 1, 1),
    "fc.0.weight": (512, 512),
    "fc.1.running_mean": (512,),
    "classifier.weight": (751, 512),
}
AIN = {
    "conv1.bn.weight": (64,),
    "conv2.0.conv2.3.layers.3.conv1.weight": (64, 64, 1, 1),
    "conv2.1.IN.bias": (256,),
    "conv3.0.conv3.bn.running_var": (384,),
    "conv4.0.conv3.conv.weight": (512, 128, 1, 1),
    "pool2.0.conv.weight": (256, 256, 1, 1),
    "pool3.0.bn.weight": (384,),
}
FACES = {
    "conv1.weight": (64, 3, 3, 3),
    "prelu.weight": (64,),
    "layer1.0.downsample.0.weight": (64, 64, 1, 1),
    "layer3.13.bn3.running_var": (256,),
    "layer4.2.prelu.weight": (512,),
    "bn2.bias": (512,),
    "fc.weight": (512, 25088),
    "features.running_mean": (512,),
}
FILES = {  # some names of the file, and the number of all of them
    "MegaDescriptor-T-224": (MEGA, 171),
    "MiewID-msv3": (MIEW, 1040),
    "DINOv2-S-reg4": (DINO, 175),
    "OSNet-Market": (OSNET, 487),
    "OSNet-AIN-MSMT17": (AIN, 477),
    "ArcFace-R50": (FACES, 396),
}


def shapes_of(name):
    """All names and shapes of a published file."""
    published = NAMES[name]
    dialect = dialects(published.backbone)[-1]
    classes = {"OSNet-Market": 751, "OSNet-AIN-MSMT17": 4101}.get(name, 0)
    shapes = reference_shapes(published.backbone, classes, dialect)
    shapes = {published.prefix + key: shape for key, shape in shapes.items()}
    if published.neck:
        leaves = ("weight", "bias", "running_mean", "running_var")
        shapes |= {f"bn.{leaf}": (published.dimensions,) for leaf in leaves}
        shapes |= {"pooling.p": (1,), "final.weight": (10, 2152), "final.bias": (10,)}
    return shapes


def drawn(name):
    """A file of the published names and shapes."""
    rng = np.random.default_rng(0)
    tensors = {
        key: 0.05 * rng.standard_normal(shape, np.float32) for key, shape in shapes_of(name).items()
    }
    positive = {key: 0.5 + np.abs(value) for key, value in tensors.items() if "running_var" in key}
    return tensors | positive


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name[0] in "OA" else [pytest.mark.exhaustive])
        for name in FILES
    ],
)
def test_names_and_shapes_are_the_published_ones(name):
    some, number = FILES[name]
    shapes = shapes_of(name)
    assert some.items() <= shapes.items()
    assert len(shapes) == number


@pytest.mark.exhaustive
def test_megadescriptor_embeds_from_a_file(tmp_path):
    file = tmp_path / "model.safetensors"
    save_file(drawn("MegaDescriptor-T-224"), file)
    model = open_model(f"{file}?backbone=MegaDescriptor-T-224&image_size=32")
    assert model.task.mean == model.task.std == (0.5,) * 3
    assert model.embed([np.zeros((32, 32, 3), np.uint8)]).shape == (1, 768)
    assert open_model(f"{file}?backbone=MegaDescriptor-T-224").config.data.image_size == 224


@pytest.mark.acceptance
def test_miewid_pools_and_normalises_as_published(tmp_path):
    tensors = drawn("MiewID-msv3") | {"pooling.p": np.float32([2.5])}
    file = tmp_path / "model.safetensors"
    save_file(tensors, file)
    model = open_model(f"{file}?backbone=MiewID-msv3&image_size=64")
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    found = model.embed([image])[0]
    assert found.shape == (2152,)
    network = create_backbone("efficientnetv2_rw_m")
    variables = load_pretrained("efficientnetv2_rw_m", f"MiewID-msv3:{file}")
    normalised = (np.float32(image) / 255 - model.task.mean) / model.task.std
    maps = jax.jit(lambda v, x: network.apply(v, x, features_only=True))(
        variables, np.float32(normalised[None])
    )
    last = np.maximum(np.asarray(maps["head"], np.float64)[0], 1e-6)
    pooled = np.mean(last**2.5, (0, 1)) ** (1 / 2.5)
    scale = tensors["bn.weight"] / np.sqrt(tensors["bn.running_var"] + 1e-5)
    normed = (pooled - tensors["bn.running_mean"]) * scale + tensors["bn.bias"]
    np.testing.assert_allclose(found, normed / np.linalg.norm(normed), atol=1e-5)
    del tensors["bn.bias"]
    save_file(tensors, file)
    with pytest.raises(UserError, match=r"lacks bn\.bias"):
        open_model(f"{file}?backbone=MiewID-msv3&image_size=64")


@pytest.mark.exhaustive
def test_osnet_sees_a_square_as_it_was_trained(tmp_path):
    """From a file of several devices, with its classifier; pairs of columns are averaged."""
    name = "OSNet-x0.25-Market"
    file = tmp_path / "osnet.safetensors"
    tensors = drawn(name) | {"classifier.weight": np.zeros((751, 512), np.float32)}
    save_file({f"module.{key}": value for key, value in tensors.items()}, file)
    model = open_model(f"{file}?backbone={name}&image_size=64")
    assert model.config.model.backbone_options == "narrow=2"
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    network = create_backbone("osnet_x0_25")
    variables = load_pretrained("osnet_x0_25", f"{name}:{file}")
    narrow = (np.float32(image) / 255 - model.task.mean) / model.task.std
    narrow = narrow.reshape(1, 64, 32, 2, 3).mean(3)
    expected = jax.jit(network.apply)(variables, np.float32(narrow))[0]
    found = model.embed([image])[0]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


def test_every_name_says_what_it_is():
    for name, each in NAMES.items():
        assert each.backbone in backbone_names()
        assert each.licence
        assert each.about
        assert each.repository or each.page
        assert origin_of(f"hub:{name}") == (name, "")
        assert origin_of(f"{name}:/a.pth") == (name, "/a.pth")
        assert input_info(each.backbone, f"{name}:/a.pth") == each.inputs
        assert absolute_weights(f"{name}:/a.pth") == f"{name}:/a.pth"
        assert each.inputs.input_size % 7 == 0 or each.inputs.input_size % 32 == 0 or each.neck
    assert origin_of("hub:BVRA/MegaDescriptor-B-224") == ("MegaDescriptor-B-224", "")
    assert origin_of("hub:timm/resnet18") == ("", "hub:timm/resnet18")
    assert published_of("timm:a.safetensors") is None
    with pytest.raises(
        UserError, match=r"called MegaDescriptor-T: did you mean MegaDescriptor-T-224"
    ):
        backbone_of("hub:MegaDescriptor-T")
    assert origin_of("hub:conservationxlabs/miewid-msv3") == ("MiewID-msv3", "")
    with pytest.raises(UserError, match=r"ArcFace-R50 is not on the hub: fetch it from https"):
        load_pretrained("iresnet50", "hub:ArcFace-R50")
    with pytest.raises(UserError, match=r"is of swin_t, not of resnet50"):
        open_model("hub:MegaDescriptor-T-224?backbone=resnet50")
    with pytest.raises(UserError, match=r"is of swin_t, not of resnet18"):
        load_pretrained("resnet18", "hub:MegaDescriptor-T-224")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", list(NAMES))
def test_each_gives_as_many_numbers_as_it_says(name):
    each = NAMES[name]
    model = ModelConfig(
        each.backbone, each.options, embedding_dim=0, pooling=each.pooling, bnneck=each.neck
    )
    size = each.inputs.input_size
    images = jax.ShapeDtypeStruct((1, size, size, 3), np.float32)
    out, _ = jax.eval_shape(make_net(model).init_with_output, jax.random.key(0), images)
    assert out["embedding"].shape == (1, each.dimensions)


def test_a_training_takes_from_them_what_was_not_given():
    config = configurations.get("turtles_pretrained")
    words = ["--data.batch-size", "8", "--model.pretrained", "hub:MegaDescriptor-T-224"]
    found, left = _from_published(config, words)
    assert left == [*words[:2], "--model.pretrained=hub:MegaDescriptor-T-224"]
    assert (found.model.backbone, found.model.pooling) == ("swin_t", "avg")
    assert found.data.image_size == 224
    again = complete(
        dataclasses.replace(
            found, model=dataclasses.replace(found.model, pretrained="hub:MegaDescriptor-T-224")
        )
    )
    assert again.model.pretrained == "hub:MegaDescriptor-T-224"
    packaged, _ = _from_published(EmbeddingConfig(), ["--pretrained=pypi:mobilenet_v2"])
    assert (packaged.model.backbone, packaged.data.image_size) == ("mobilenet_v2", 224)
    taken, words = _from_published(EmbeddingConfig(), ["--pretrained", "auto"])
    assert words == [f"--pretrained=pypi:{taken.model.backbone}"]
    people, _ = _from_published(config, ["--pretrained=hub:OSNet-Market"])
    assert people.model.backbone_options == "narrow=2"
    animals, _ = _from_published(config, ["--pretrained=hub:MiewID-msv3"])
    assert (animals.model.pooling, animals.model.bnneck, animals.data.image_size) == (
        "gem",
        True,
        440,
    )
    plain = (EmbeddingConfig(), ["--pretrained=hub:timm/resnet18", "--x"])
    assert _from_published(*plain) == plain
    assert (
        backbone_info("swin_t").inputs.mean != input_info("swin_t", "hub:MegaDescriptor-T-224").mean
    )


class Hub(BaseHTTPRequestHandler):
    """As much of the Hugging Face hub as the download of a file needs."""

    files: ClassVar[dict[str, bytes]] = {}

    def do_HEAD(self):
        content = self.files.get(self.path)
        self.send_response(200 if content is not None else 404)
        self.send_header("X-Repo-Commit", "0" * 40)
        if content is None:
            self.send_header("X-Error-Code", "EntryNotFound")
        else:
            self.send_header("ETag", f'"{len(content):040x}"')
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(self.files.get(self.path, b""))

    def log_message(self, *_):
        pass


@pytest.mark.exhaustive
def test_a_name_is_fetched_from_a_hub(tmp_path):
    """A server on this machine; the hub itself was never asked."""
    pytest.importorskip("huggingface_hub")
    file = tmp_path / "weights.safetensors"
    save_file(drawn("MegaDescriptor-T-224"), file)
    Hub.files = {
        "/BVRA/MegaDescriptor-T-224/resolve/main/model.safetensors": file.read_bytes(),
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "hub"),
        "HF_HUB_DISABLE_XET": "1",
    }
    program = (
        "import json, numpy as np, reid_jax as rj\n"
        "model = rj.load('hub:MegaDescriptor-T-224', image_size=32)\n"
        "z = model.embed([np.zeros((32, 32, 3), np.uint8)])\n"
        "print(json.dumps([str(model.workdir), *z[0, :4].tolist()]))\n"
        "try:\n"
        "    rj.load('hub:MegaDescriptor-S-224')\n"
        "except rj.UserError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True)
    server.shutdown()
    assert done.returncode == 0, done.stderr
    about, answer, _, refused = done.stdout.strip().splitlines()[-4:]
    assert "licence CC BY-NC 4.0" in about
    word, *z = json.loads(answer)
    assert word == "hub:MegaDescriptor-T-224?image_size=32"
    assert refused.startswith("BVRA/MegaDescriptor-S-224 could not be fetched")
    model = open_model(f"{file}?backbone=MegaDescriptor-T-224&image_size=32")
    expected = model.embed([np.zeros((32, 32, 3), np.uint8)])[0, :4]
    np.testing.assert_allclose(z, jax.device_get(expected), atol=1e-5)
