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
from reid_jax.individuals.config import EmbeddingConfig, complete
from reid_jax.individuals.published import open_model
from reid_jax.models import backbone_info, backbone_names
from reid_jax.training.paths import absolute_weights
from reid_jax.weights import input_info, load_pretrained
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


def drawn(name, dialect="timm"):
    """A file of the published names and shapes."""
    from reid_jax.weights.names import reference_shapes

    rng = np.random.default_rng(0)
    published = NAMES[name]
    shapes = reference_shapes(published.backbone, 0, dialect)
    return {
        published.prefix + key: 0.05 * rng.standard_normal(shape, np.float32)
        for key, shape in shapes.items()
    }


@pytest.mark.exhaustive
def test_megadescriptor_embeds_from_a_file(tmp_path):
    tensors = drawn("MegaDescriptor-T-224", "authors")
    assert MEGA.items() <= {key: value.shape for key, value in tensors.items()}.items()
    assert len(tensors) == 171
    file = tmp_path / "model.safetensors"
    save_file(tensors, file)
    model = open_model(f"{file}?backbone=MegaDescriptor-T-224&image_size=32")
    assert model.task.mean == model.task.std == (0.5,) * 3
    assert model.embed([np.zeros((32, 32, 3), np.uint8)]).shape == (1, 768)
    assert open_model(f"{file}?backbone=MegaDescriptor-T-224").config.data.image_size == 224


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
    with pytest.raises(UserError, match=r"is of swin_t, not of resnet18"):
        load_pretrained("resnet18", "hub:MegaDescriptor-T-224")


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
