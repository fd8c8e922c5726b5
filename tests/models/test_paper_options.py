"""Networks by the parameters that their papers name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.config import EmbeddingConfig, ModelConfig, check
from reid_jax.individuals.experiment import make_net
from reid_jax.models import EmbeddingNet, block_names, create_backbone
from reid_jax.models.paper_options import read_options


def parameters(name, size=224, classes=1000, channels=3, **options):
    network = create_backbone(name, num_classes=classes, **options)
    images = jax.ShapeDtypeStruct((1, size, size, channels), jnp.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), images)["params"]
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


@pytest.mark.parametrize(
    ("name", "options", "published"),
    [
        ("resnet50", "depth=18", 11_689_512),  # torchvision's resnet18
        ("resnet50", "cardinality=32,base_width=4", 25_028_904),  # its resnext50_32x4d
        ("resnet50", "base_width=128", 68_883_240),  # its wide_resnet50_2
        ("resnet50", "reduction=16", 28_088_024),  # timm's seresnet50
        ("resnet50", "last_stride=1", 25_557_032),
        ("efficientnet_b0", "phi=0", 5_288_548),  # its efficientnet_b0
        ("efficientnet_b0", "phi=1", 9_109_994),  # width 1.1 and depth 1.2 are B2
    ],
)
def test_published_networks_are_found_again(name, options, published):
    assert parameters(name, **read_options(options)) == published


def test_the_last_stage_may_keep_its_resolution():
    images = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    for stride, side in ((2, 2), (1, 4)):
        net = create_backbone("resnet18", last_stride=stride)
        maps, _ = jax.eval_shape(
            lambda key, x, net=net: net.init_with_output(key, x, features_only=True),
            *(jax.random.key(0), images),
        )
        assert maps["layer4"].shape == (1, side, side, 512)


def test_the_tutorials_network_has_the_tutorials_parameters():
    images = jax.ShapeDtypeStruct((1, 28, 28, 1), jnp.float32)
    net = EmbeddingNet(create_backbone("two_conv_relu"), 2, normalize=False)
    shapes = jax.eval_shape(net.init, jax.random.key(0), images)["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 315_010


def test_a_depth_has_its_blocks():
    assert block_names("resnet50", "depth=18") == block_names("resnet18")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet50", "depth=51", "depth of resnet50 is 51; there are 18, 34, 50, 101, 152"),
        ("resnet50", "phi=1", "has no option 'phi': it has .*cardinality"),
        ("efficientnet_b0", "phi=-1", "phi of efficientnet_b0 is -1"),
        ("resnet50", "cardinality=0", "groups of resnet50 is 0"),
        ("resnet50", "cardinality", "cannot be read"),
        ("resnet50", "cardinality=two", "cannot be read"),
        ("resnet50", "axis_name='x'", "axis_name, which has a field of its own"),
        ("small_cnn", "depth=18", "has no option 'depth': it has widths"),
    ],
)
def test_options_that_cannot_be_are_refused(name, options, message):
    config = EmbeddingConfig(model=ModelConfig(backbone=name, backbone_options=options))
    with pytest.raises(UserError, match=message):
        check(config)


def test_a_head_may_have_a_hidden_layer_and_dropout():
    config = ModelConfig(hidden=12, dropout=0.5, embedding_dim=4, normalize=False)
    net = make_net(config)
    images = jnp.ones((2, 32, 32, 3))
    variables = net.init(jax.random.key(0), images)
    params, statistics = variables["params"], variables["batch_stats"]
    assert params["hidden"]["kernel"].shape == (64, 12)
    assert params["projection"]["kernel"].shape == (12, 4)
    inner = {"params": params["backbone"], "batch_stats": statistics["backbone"]}
    hidden = np.maximum(net.backbone.apply(inner, images) @ params["hidden"]["kernel"], 0)
    got = net.apply(variables, images)["embedding"]
    np.testing.assert_allclose(got, hidden @ params["projection"]["kernel"], rtol=1e-4, atol=1e-5)

    def trained(seed):
        rngs = {"dropout": jax.random.key(seed)}
        return net.apply(variables, images, train=True, mutable=["batch_stats"], rngs=rngs)[0]

    assert np.abs(trained(0)["embedding"] - trained(1)["embedding"]).max() > 0
    with pytest.raises(UserError, match=r"model.hidden needs model.embedding_dim"):
        check(EmbeddingConfig(model=ModelConfig(hidden=8, embedding_dim=0)))
