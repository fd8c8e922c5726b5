"""What a teacher knows of a batch, against plain loops."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.ops.losses import distillation
from reid_jax.ops.losses.distillation import (
    cosine_loss,
    relational_angle_loss,
    relational_distance_loss,
    similarity_preserving_loss,
)
from reid_jax.ops.losses.distilled import Agreement, Distilled
from reid_jax.ops.losses.objectives import MarginSoftmax, Triplet
from tests.loss_cases import check_against, distance, numeric_gradient, unit

# A teacher's embedding by label, so that the cases of the other losses serve here, too.
TABLE = np.random.default_rng(5).normal(size=(10, 4)).astype(np.float32).astype(np.float64)


def huber(x):
    return 0.5 * x**2 if abs(x) <= 1 else abs(x) - 0.5


def real_of(mask):
    return [i for i in range(len(mask)) if mask[i]]


def similarity_loop(student, teacher, mask):
    real, total = real_of(mask), 0.0
    for i in real:
        ours = unit(np.array([student[i] @ student[j] for j in real]))
        theirs = unit(np.array([teacher[i] @ teacher[j] for j in real]))
        total += sum((a - b) ** 2 for a, b in zip(ours, theirs, strict=True))
    return total, len(real) ** 2


def distance_loop(student, teacher, mask):
    pairs = [(i, j) for i in real_of(mask) for j in real_of(mask) if i != j]

    def in_means(x):
        found = [distance(x[i], x[j]) for i, j in pairs]
        mean = sum(found) / max(len(found), 1)
        return [each / (mean if mean > 0 else 1.0) for each in found]

    apart = zip(in_means(student), in_means(teacher), strict=True)
    return sum(huber(a - b) for a, b in apart), len(pairs)


def angle_loop(student, teacher, mask):
    triples = list(itertools.permutations(real_of(mask), 3))

    def cosine(x, i, j, k):
        return unit(x[i] - x[j]) @ unit(x[k] - x[j])

    apart = [cosine(student, *each) - cosine(teacher, *each) for each in triples]
    return sum(map(huber, apart)), len(triples)


def cosine_loop(student, teacher, mask):
    return sum(1 - unit(student[i]) @ unit(teacher[i]) for i in real_of(mask)), len(real_of(mask))


LOSSES = {
    "similarity": (similarity_preserving_loss, similarity_loop),
    "distance": (relational_distance_loss, distance_loop),
    "angle": (relational_angle_loss, angle_loop),
}


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_are_those_of_the_loop(name):
    loss, loop = LOSSES[name]
    check_against(
        lambda z, y, mask: loss(z, jnp.asarray(TABLE, jnp.float32)[y], mask=mask),
        lambda z, y, mask: loop(z, TABLE[y], mask),
        rtol=5e-5,
        atol=1e-3,
    )


@pytest.mark.parametrize("name", [*LOSSES, "cosine"])
def test_a_teacher_of_another_width_gets_no_gradient(name):
    loss, loop = (LOSSES | {"cosine": (cosine_loss, cosine_loop)})[name]
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(size=(7, 5)), rng.normal(size=(7, 5 if name == "cosine" else 8))
    mask = np.array([True] * 6 + [False])

    def total(z, t):
        return loss(z, t, mask=jnp.asarray(mask))[0]

    z, t = jnp.float32(student), jnp.float32(teacher)
    value, (ours, theirs) = jax.value_and_grad(total, argnums=(0, 1))(z, t)
    np.testing.assert_allclose(value, loop(student, teacher, mask)[0], rtol=1e-4)
    expected = numeric_gradient(lambda x: loop(x, teacher, mask)[0], student)
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)
    assert not np.asarray(theirs).any()


def test_angles_in_blocks_are_those_in_one_go(monkeypatch):
    rng = np.random.default_rng(1)
    z, t = jnp.float32(rng.normal(size=(11, 3))), jnp.float32(rng.normal(size=(11, 4)))

    def value_and_gradient():
        return jax.value_and_grad(lambda x: relational_angle_loss(x, t)[0])(z)

    whole = value_and_gradient()
    monkeypatch.setattr(distillation, "_NUMBERS", 4 * 11 * (11 + 4))  # four vertices at a time
    for a, b in zip(whole, value_and_gradient(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", [relational_distance_loss, relational_angle_loss])
def test_who_is_the_teacher_turned_moved_and_scaled_has_nothing_to_learn(loss):
    rng = np.random.default_rng(2)
    teacher = rng.normal(size=(9, 6)).astype(np.float32)
    turned = np.linalg.qr(rng.normal(size=(6, 6)))[0].astype(np.float32)
    total, count = loss(3 * teacher @ turned + 1, teacher)
    assert total / count < 1e-6
    assert loss(rng.normal(size=(9, 6)).astype(np.float32), teacher)[0] / count > 1e-2


def test_similarities_of_a_turned_teacher_are_its_own():
    teacher = np.random.default_rng(3).normal(size=(9, 6)).astype(np.float32)
    turned = np.linalg.qr(np.random.default_rng(4).normal(size=(6, 6)))[0].astype(np.float32)
    assert similarity_preserving_loss(2 * teacher @ turned, teacher)[0] < 1e-6


@pytest.mark.parametrize("name", [*LOSSES, "cosine"])
def test_wrong_shapes_are_refused(name):
    loss = (LOSSES | {"cosine": (cosine_loss, None)})[name][0]
    z = jnp.zeros((4, 2))
    for student, teacher, mask in [
        (z[0], z, None),
        (z, z[:3], None),
        (z, z[0], None),
        (z, z, jnp.ones(3, bool)),
        (z, z, jnp.ones(4)),
    ]:
        with pytest.raises(AssertionError):
            loss(student, teacher, mask=mask)


BATCH = {
    "embedding": jnp.asarray(np.random.default_rng(6).normal(size=(8, 3)), jnp.float32),
    "taught": jnp.asarray(np.random.default_rng(7).normal(size=(8, 5)), jnp.float32),
}
BATCH["neck"] = BATCH["embedding"]
LABELS = jnp.repeat(jnp.arange(4), 2)


def test_the_objective_of_a_student_is_the_sum_by_its_weights():
    weights = Agreement(task=0.5, similarity=3.0, distance=1.0, angle=2.0, cosine=4.0)
    objective = Distilled(MarginSoftmax(), 5, weights)
    params = objective.init(jax.random.key(0), 4, 3)
    assert params["to_teacher"].shape == (3, 5)
    terms = objective.terms(params, BATCH, LABELS, None, None)
    by_labels = MarginSoftmax().terms(params, BATCH, LABELS, None, None)
    assert {name: term.weight for name, term in terms.items()} == {
        **{name: 0.5 * term.weight for name, term in by_labels.items()},
        "teacher_similarity": 3.0,
        "teacher_distance": 1.0,
        "teacher_angle": 2.0,
        "teacher_cosine": 4.0,
    }
    for name, term in by_labels.items():
        np.testing.assert_array_equal(terms[name].total, term.total)
    assert set(objective.wants) == {*MarginSoftmax().wants, "taught"}


def test_without_a_weight_for_names_there_are_no_class_centres():
    objective = Distilled(MarginSoftmax(), 5, Agreement(task=0.0, cosine=0.0))
    assert objective.init(jax.random.key(0), 4, 3) == {}
    terms = objective.terms({}, BATCH, LABELS, None, None)
    assert set(terms) == {"teacher_distance", "teacher_angle"}
    assert objective.sampling is None


def test_classes_are_drawn_as_without_a_teacher():
    sampled = MarginSoftmax(sampled=0.5)
    found = Distilled(sampled, 5).sampling
    assert found.draw == sampled.sampling.draw
    assert found.objective == Distilled(sampled.sampling.objective, 5)
    bounded = Distilled(Triplet(), 5).for_batches(3)
    assert bounded.objective == Triplet().for_batches(3)


def test_a_weight_below_zero_is_refused():
    with pytest.raises(UserError, match=r"distill\.angle is -1"):
        Agreement(angle=-1.0)
