"""Landscapes are those of the losses, and every figure is drawn."""

import io

import numpy as np
import pytest

from reid_jax.ops.losses.triplet import triplet_loss
from reid_jax.reporting.loss_landscapes import Landscape, families, surface, triple

pytest.importorskip("matplotlib")


def test_a_triple_has_the_distances_it_is_asked_for():
    points, possible = triple(np.array([0.5, 1.7], np.float32), 2.0)
    anchor, positive, negative = np.asarray(points)
    assert possible
    np.testing.assert_allclose(np.linalg.norm([anchor, positive, negative], axis=1), 2, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(anchor - positive), 2 * 0.5, rtol=1e-5)
    for either in (anchor, positive):
        np.testing.assert_allclose(np.linalg.norm(either - negative), 2 * 1.7, rtol=1e-5)
    assert not triple(np.array([1.9, 0.5], np.float32))[1]


def test_the_surface_of_the_triplet_loss_is_its_formula():
    landscape = Landscape("", lambda e, y: triplet_loss(e, y, margin=0.6, mean_over="valid"))
    found = surface(landscape, points=7)
    for row, d_n in enumerate(found.distances):
        for column, d_p in enumerate(found.distances):
            if np.isnan(found.loss[row, column]):
                assert d_n < d_p or d_p + d_n > 2
            else:
                expected = max(0, d_p - d_n + 0.6)
                np.testing.assert_allclose(found.loss[row, column], expected, atol=2e-4)
                slope = 2**0.5 if expected > 0 else 0
                np.testing.assert_allclose(found.gradient[row, column], slope, atol=2e-2)


@pytest.mark.parametrize("name", sorted(families()))
def test_a_far_negative_and_a_near_positive_cost_less(name):
    for landscape in families()[name]:
        found = surface(landscape, points=7)
        assert np.isfinite(found.gradient[np.isfinite(found.loss)]).all()
        assert found.loss[-2, 0] < found.loss[1, 1]
        assert found.loss[-2, 0] < found.loss[3, 3]


@pytest.mark.exhaustive
def test_all_pictures_are_written(tmp_path):
    from PIL import Image

    from reid_jax.reporting.loss_figures import draw_losses

    shown = draw_losses(tmp_path)
    index = (tmp_path / "index.md").read_text()
    assert len(shown) == 13
    for file, _ in shown:
        image = Image.open(io.BytesIO((tmp_path / file).read_bytes()))
        assert image.width > 400  # drawn small in tests
        assert file in index
