"""Margins that are each photo's own: AdaFace by quality, ElasticFace by lot."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.models.standing import Standing
from reid_jax.ops.keys import normal_lots
from reid_jax.ops.losses.large_softmax import chunked_margin_softmax_loss
from reid_jax.ops.losses.margin_softmax import margin_softmax_loss
from reid_jax.ops.losses.margins import adaface_cosine, arcface_cosine, cosface_cosine
from reid_jax.ops.losses.objectives import Joint, MarginSoftmax
from reid_jax.ops.losses.quality import feature_quality
from tests.loss_cases import numeric_gradient, unit
from tests.training.test_parallel import make_batch, make_task


def _batch(seed=0, subs=None):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(5, 4) if subs is None else (5, subs, 4))
    embeddings = rng.normal(size=(8, 4)) * rng.uniform(0.5, 3, size=(8, 1))
    labels = rng.integers(0, 5, 8).astype(np.int32)
    own = centers[labels] if subs is None else centers[labels, 0]
    embeddings[0] = -3 * own[0] + 0.02 * embeddings[0]  # nearly opposite
    embeddings[1] = 5 * own[1] + 0.02 * embeddings[1]  # long, on its centre
    mask = np.array([1, 1, 1, 0, 1, 1, 1, 0], bool)
    return [x.astype(np.float32).astype(np.float64) for x in (embeddings, centers)], labels, mask


def _quality(embeddings, mask, h=0.333, mean=None, deviation=None):
    lengths = np.array([np.sqrt((row**2).sum()) for row in embeddings])
    mean = lengths[mask].mean() if mean is None else mean
    deviation = lengths[mask].std(ddof=1) if deviation is None else deviation
    return np.array(
        [max(-1, min(1, (length - mean) / (deviation + 1e-3) * h)) for length in lengths]
    )


def _reference(embeddings, centers, labels, mask, angles, shifts, scale):
    """Cross-entropy with s (cos(theta + angle) - shift) at the label, theta + angle in [0, pi]."""
    centers = centers if centers.ndim == 3 else centers[:, None]
    total = 0.0
    for x, label, angle, shift, real in zip(embeddings, labels, angles, shifts, mask, strict=True):
        if not real:
            continue
        logits = []
        for c, subs in enumerate(centers):
            theta = np.arccos(np.clip(max(unit(x) @ unit(sub) for sub in subs), -1, 1))
            if c == label:
                logits.append(scale * (np.cos(np.clip(theta + angle, 0, np.pi)) - shift))
            else:
                logits.append(scale * np.cos(theta))
        total += np.logaddexp.reduce(logits) - logits[label]
    return total, mask.sum()


def _value_and_gradients(loss, embeddings, centers, labels, mask):
    def total(x, w):
        return loss(x, w, labels, mask=jnp.asarray(mask))

    return jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True))(
        jnp.float32(embeddings), jnp.float32(centers)
    )


def _assert_those_of_the_loop(loss, loop, embeddings, centers, labels, mask):
    got, gradients = _value_and_gradients(loss, embeddings, centers, labels, mask)
    np.testing.assert_allclose(got, loop(embeddings, centers), rtol=1e-5)
    numeric = (
        numeric_gradient(lambda x: loop(x, centers)[0], embeddings),
        numeric_gradient(lambda w: loop(embeddings, w)[0], centers),
    )
    for gradient, expected in zip(gradients, numeric, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=2e-3, atol=2e-3)


LOSSES = [margin_softmax_loss, functools.partial(chunked_margin_softmax_loss, chunk=2)]


@pytest.mark.parametrize("loss", LOSSES, ids=["plain", "chunked"])
@pytest.mark.parametrize("subs", [None, 2])
@pytest.mark.parametrize(("margin", "scale"), [(0.4, 64.0), (0.7, 8.0)])
def test_adaface_is_the_loop_of_the_paper(margin, scale, subs, loss):
    (embeddings, centers), labels, mask = _batch(0, subs)
    quality = _quality(embeddings, mask)
    got = feature_quality(jnp.float32(embeddings), mask=jnp.asarray(mask))
    np.testing.assert_allclose(got, quality, rtol=1e-5, atol=1e-6)
    assert quality.min() < -0.1
    assert quality.max() > 0.3

    def loop(x, w):
        angles, shifts = -margin * quality, margin * quality + margin
        return _reference(x, w, labels, mask, angles, shifts, scale)

    _assert_those_of_the_loop(
        functools.partial(loss, kind="adaface", margin=margin, scale=scale, quality=got),
        loop,
        *(embeddings, centers, labels, mask),
    )


@pytest.mark.parametrize("loss", LOSSES, ids=["plain", "chunked"])
@pytest.mark.parametrize(("kind", "mean"), [("arcface", 0.5), ("cosface", 0.35)])
def test_elasticface_is_the_loop_with_a_margin_for_each_photo(kind, mean, loss):
    (embeddings, centers), labels, mask = _batch(3)
    embeddings[0] *= -1  # beyond pi - margin ArcFace goes on otherwise
    margins = mean + 0.05 * np.random.default_rng(1).normal(size=8)
    nothing = np.zeros(8)

    def loop(x, w):
        by_kind = (margins, nothing) if kind == "arcface" else (nothing, margins)
        return _reference(x, w, labels, mask, *by_kind, 64.0)

    _assert_those_of_the_loop(
        functools.partial(loss, kind=kind, margin=jnp.float32(margins)),
        loop,
        *(embeddings, centers, labels, mask),
    )


def test_adaface_lies_between_arcface_and_cosface():
    cosine = jnp.cos(jnp.linspace(0.5, 2.5, 21))
    np.testing.assert_allclose(
        adaface_cosine(cosine, jnp.float32(-1.0), 0.4), arcface_cosine(cosine, 0.4), atol=1e-6
    )
    np.testing.assert_allclose(
        adaface_cosine(cosine, jnp.float32(0.0), 0.4), cosface_cosine(cosine, 0.4), atol=1e-6
    )
    slopes = jax.vmap(jax.grad(adaface_cosine), (0, None))(jnp.float32([-1, 1, 0.3]), jnp.ones(()))
    assert np.isfinite(slopes).all()


def test_the_length_itself_gets_no_gradient():
    (embeddings, _), _, _ = _batch()
    gradient = jax.grad(lambda x: feature_quality(x).sum())(jnp.float32(embeddings))
    assert not gradient.any()


def test_given_statistics_are_used():
    (embeddings, _), _, mask = _batch()
    got = feature_quality(jnp.float32(embeddings), mean=2.0, deviation=0.5, concentration=0.2)
    np.testing.assert_allclose(got, _quality(embeddings, mask, 0.2, 2.0, 0.5), rtol=1e-5, atol=1e-6)
    with pytest.raises(UserError, match="concentration"):
        feature_quality(jnp.float32(embeddings), concentration=0.0)
    with pytest.raises(UserError, match="quality of each photo"):
        margin_softmax_loss(jnp.ones((2, 3)), jnp.eye(3), jnp.array([0, 1]), kind="adaface")


def test_statistics_are_those_of_all_devices():
    (embeddings, _), _, mask = _batch(5)
    x, m = (np.concatenate([a] * 2) for a in (np.float32(embeddings), mask))
    x[8:] *= 2
    one = feature_quality(jnp.asarray(x), mask=jnp.asarray(m))
    eight = jax.pmap(lambda x, m: feature_quality(x, mask=m, axis_name="batch"), axis_name="batch")(
        x.reshape(8, 2, 4), m.reshape(8, 2)
    )
    np.testing.assert_allclose(np.asarray(eight).ravel(), one, rtol=1e-5, atol=1e-6)


def test_averages_move_as_in_the_paper_and_start_from_the_first_batch():
    rng = np.random.default_rng(0)
    module = Standing(rate=0.1)
    state = module.init(jax.random.key(0), jnp.ones((4, 3)), False)
    mean = deviation = weight = 0.0
    for _ in range(4):
        x = rng.normal(size=(6, 3)).astype(np.float32) * 5
        got, state = module.apply(state, x, True, mutable=["batch_stats"])
        lengths = np.linalg.norm(x.astype(np.float64), axis=1)
        mean = 0.1 * lengths.mean() + 0.9 * mean
        deviation = 0.1 * lengths.std(ddof=1) + 0.9 * deviation
        weight = 0.1 + 0.9 * weight
        expected = (lengths - mean / weight) / (deviation / weight + 1e-3)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_lots_are_the_photos_own_and_new_in_each_step():
    positions = jnp.arange(1000)
    lots = normal_lots(jax.random.key(0), positions)
    np.testing.assert_array_equal(lots[500:], normal_lots(jax.random.key(0), positions[500:]))
    assert abs(np.corrcoef(lots, normal_lots(jax.random.key(1), positions))[0, 1]) < 0.1
    assert abs(lots.mean()) < 0.1
    assert abs(lots.std() - 1) < 0.1


@pytest.mark.parametrize(
    "objective",
    [
        MarginSoftmax(kind="adaface", margin=0.4, scale=8.0),
        MarginSoftmax(deviation=0.05, scale=8.0),
        Joint(softmax=MarginSoftmax(kind="adaface", deviation=0.1, scale=8.0)),
    ],
)
def test_a_task_gives_what_its_objective_wants(objective):
    task, standing = make_task(objective), "standing" in objective.wants
    batch = make_batch(0)
    params, state = task.init(jax.random.key(0), batch)
    assert ("standing" in state.get("batch_stats", {})) == standing
    loss = jax.jit(lambda key, state: task.loss(params, state, batch, key, None))
    terms, updated = loss(jax.random.key(0), state)
    assert all(np.isfinite(term.total) for term in terms.values())
    if standing:
        np.testing.assert_allclose(updated["batch_stats"]["standing"]["weight"], 0.01, rtol=1e-6)
    other, _ = loss(jax.random.key(1), state)
    if objective.wants == ("lot",):
        totals = [float(next(iter(t.values())).total) for t in (terms, other)]
        assert totals[0] != totals[1]
    task.predict(params, state, batch)
