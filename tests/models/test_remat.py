"""Computing blocks again for the gradient changes memory, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.models import create_backbone
from reid_jax.models.backbones.iresnet import IResNet
from reid_jax.models.backbones.resnet import ResNet
from reid_jax.models.backbones.vit import VisionTransformer
from reid_jax.training.parallel import make_layout

NETWORKS = {
    "resnet": (ResNet, {"stages": (1, 0, 0, 0), "bottleneck": False, "drop_path": 0.5}),
    "vit": (VisionTransformer, {"width": 8, "depth": 4, "heads": 2, "patch": 8, "grid": 4}),
    "registers": (
        VisionTransformer,
        {
            **{"width": 8, "depth": 4, "heads": 2, "patch": 8, "grid": 6},
            **{"layer_scale": 0.5, "registers": 2, "drop_path": 0.5},
        },
    ),
    "iresnet": (IResNet, {"stages": (1, 1, 0, 0), "drop_path": 0.5}),
}


def loss_and_gradient(network, options, remat, images, variables=None):
    module = network(remat=remat, **options)
    if variables is None:
        variables = module.init(jax.random.key(0), images)
    params, state = variables["params"], {k: v for k, v in variables.items() if k != "params"}

    def loss(params):
        features, updated = module.apply(
            {"params": params, **state},
            images,
            train=True,
            mutable=list(state),
            rngs={"dropout": jax.random.key(2)},
        )
        weights = jax.random.normal(jax.random.key(3), features.shape)
        return jnp.sum(features * weights), updated

    def call(state, shared, batch, *, axis_name=None):
        return jax.value_and_grad(loss, has_aux=True)(state)

    compiled = make_layout("single").compile(call, batch_axis=0, donate=False)
    memory = compiled.lower(params, {}, {}).compile().memory_analysis()
    return variables, compiled(params, {}, {}), memory.temp_size_in_bytes


@pytest.mark.parametrize("name", NETWORKS)
def test_loss_gradient_and_statistics_are_the_same(name):
    images = jax.random.normal(jax.random.key(1), (4, 32, 32, 3))
    variables, plain, _ = loss_and_gradient(*NETWORKS[name], False, images)
    _, again, _ = loss_and_gradient(*NETWORKS[name], True, images, variables)
    scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(plain))
    for (path, x), y in zip(
        jax.tree_util.tree_leaves_with_path(plain), jax.tree.leaves(again), strict=True
    ):
        np.testing.assert_allclose(x, y, 1e-4, 1e-6 * scale, err_msg=jax.tree_util.keystr(path))


@pytest.mark.exhaustive
def test_a_deep_network_needs_less_memory():
    options = {"stages": (6, 0, 0, 0), "bottleneck": True}
    images = jnp.zeros((4, 64, 64, 3))
    variables, _, plain = loss_and_gradient(ResNet, options, False, images)
    _, _, again = loss_and_gradient(ResNet, options, True, images, variables)
    assert again < 0.7 * plain


def test_a_network_without_blocks_says_so():
    with pytest.raises(UserError, match="two_conv has no blocks"):
        create_backbone("two_conv", remat=True)
