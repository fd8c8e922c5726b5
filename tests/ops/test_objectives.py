"""An objective is its function with the fields as arguments, and a new one takes a few lines."""

import dataclasses
import functools
import inspect
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.ops.losses.batch import (
    angular_loss,
    circle_loss,
    multi_similarity_loss,
    n_pair_loss,
    supervised_contrastive_loss,
)
from reid_jax.ops.losses.contrastive import pair_contrastive_loss
from reid_jax.ops.losses.objectives import (
    Angular,
    AnyObjective,
    Circle,
    Contrastive,
    Joint,
    MarginSoftmax,
    MultiSimilarity,
    NPair,
    ProxyAnchor,
    SupervisedContrastive,
    Triplet,
)
from reid_jax.ops.losses.term import InBatch
from reid_jax.ops.losses.triplet import triplet_loss

LABELS = jnp.array([0, 0, 1, 1, 2, 2, 3, 3], jnp.int32)
MASK = jnp.array([True] * 7 + [False])
IN_BATCH = [
    (Contrastive(margin=0.7, halved=True), pair_contrastive_loss, "contrastive", {}),
    (Triplet(margin=0.2, mining="semi_hard"), triplet_loss, "triplet", {}),
    (Triplet(mining="all", soft=True), triplet_loss, "triplet", {"margin": None}),
    (NPair(), n_pair_loss, "n_pair", {}),
    (Angular(angle=40.0), angular_loss, "angular", {}),
    (MultiSimilarity(alpha=3.0, base=0.4), multi_similarity_loss, "multi_similarity", {}),
    (Circle(relaxation=0.3, scale=20.0), circle_loss, "circle", {}),
    (
        SupervisedContrastive(temperature=0.2),
        supervised_contrastive_loss,
        "supervised_contrastive",
        {},
    ),
]


def embeddings(width: int = 5) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=(8, width)), jnp.float32)


@pytest.mark.parametrize(("objective", "function", "name", "other"), IN_BATCH)
def test_fields_are_the_arguments_of_the_function(objective, function, name, other):
    fields = dataclasses.asdict(objective) | other
    fields.pop("soft", None)
    assert set(fields) <= set(inspect.signature(function).parameters)
    given = embeddings()
    terms = objective.terms({}, {"embedding": given, "neck": given}, LABELS, MASK, None)
    expected = function(given, LABELS, mask=MASK, **fields)
    assert list(terms) == [name]
    np.testing.assert_array_equal(terms[name][:2], expected)
    assert terms[name].weight == 1.0
    assert objective.init(jax.random.key(0), 4, 5) == {}


def test_joint_weighs_the_softmax():
    objective = Joint(softmax=MarginSoftmax(kind="cosface", margin=0.3), softmax_weight=0.5)
    params = objective.init(jax.random.key(0), 4, 5)
    outputs = {"embedding": embeddings(), "neck": embeddings() + 1.0}
    terms = objective.terms(params, outputs, LABELS, MASK, None)
    assert {name: term.weight for name, term in terms.items()} == {"triplet": 1.0, "cosface": 0.5}


@pytest.mark.parametrize("name", ["all", "semi_hard"])
def test_batches_of_known_composition_mine_the_same_and_ask_nothing(name):
    plain = Joint(triplet=Triplet(mining=name))
    bounded = plain.for_batches(1)
    params = plain.init(jax.random.key(0), 4, 5)

    def run(objective, given):
        outputs = {"embedding": given, "neck": given}
        return objective.terms(params, outputs, LABELS, MASK, None)

    for term, expected in zip(
        run(bounded, embeddings()).values(), run(plain, embeddings()).values(), strict=True
    ):
        np.testing.assert_allclose(term[:2], expected[:2], rtol=1e-6)
    assert " cond[" in str(jax.make_jaxpr(functools.partial(run, plain))(embeddings()))
    text = str(jax.make_jaxpr(functools.partial(run, bounded))(embeddings()))
    assert " cond[" not in text
    assert " while[" not in text
    assert NPair().for_batches(1) == NPair()


def test_a_configuration_may_name_every_objective():
    named = {type(objective) for objective, *_ in IN_BATCH} | {MarginSoftmax, ProxyAnchor, Joint}
    assert set(typing.get_args(AnyObjective)) == named


def test_a_new_objective_takes_a_few_lines():
    def pull(embeddings, labels, *, power=2.0, mask=None, axis_name=None):
        del labels, axis_name
        return jnp.sum(jnp.abs(embeddings) ** power), jnp.sum(mask.astype(jnp.float32))

    @dataclasses.dataclass(frozen=True)
    class Pull(InBatch, loss=pull, term="pull"):
        power: float = 1.0

    given = embeddings()
    (term,) = Pull().terms({}, {"embedding": given}, LABELS, MASK, None).values()
    np.testing.assert_allclose(term.total, np.abs(given).sum(), rtol=1e-6)
    assert term.number == 7
