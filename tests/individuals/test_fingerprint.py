"""A network keeps its name when the program learns new settings, and only then."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from reid_jax.individuals.config import ModelConfig
from reid_jax.individuals.fingerprint import fingerprint
from reid_jax.ops.images.augment import Augmentation


@dataclass(frozen=True)
class LaterModel(ModelConfig):
    """With a setting that came later."""

    stochastic: float = 0.0


LaterModel.__name__ = "ModelConfig"


PLAIN, UNCHANGED = ModelConfig(), Augmentation()


def name(model=PLAIN, augment=UNCHANGED, numbers=(1.0, 2.0)):
    variables = {"kernel": np.array(numbers, np.float32)}
    return fingerprint(model, augment, (24, 24, 3), (0.5,) * 3, (0.5,) * 3, variables)


def test_fingerprints_are_those_of_the_first_version():
    """Computed by the first version's code, as repr of all fields."""
    assert name() == "6de5a023680086bf"
    assert name(ModelConfig(views=2), Augmentation(crop=0.3)) == "9e6321a19d290661"


def test_a_setting_that_came_later_counts_when_it_is_set():
    assert name(LaterModel()) == name()
    assert name(LaterModel(stochastic=0.1)) != name()


@pytest.mark.parametrize("change", [{"remat": True}, {"pretrained": "hub"}, {"drop_path": 0.1}])
def test_how_a_network_was_trained_does_not_count(change):
    assert name(replace(ModelConfig(), **change)) == name()


@pytest.mark.parametrize("change", [{"pooling": "gem"}, {"views": 1}, {"dtype": "bfloat16"}])
def test_what_changes_an_embedding_counts(change):
    assert name(replace(ModelConfig(), **change)) != name()
    assert name(numbers=(1.0, 2.5)) != name()
    assert name(augment=Augmentation(crop=0.5)) == name()
    views = ModelConfig(views=1)
    assert name(views, Augmentation(crop=0.5)) != name(views)
