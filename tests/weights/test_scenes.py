"""Scene changes: TransNet V2 against its authors' numbers, histograms against drawn shots."""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reid_jax.errors import UserError
from reid_jax.models.transnet import TransNetV2
from reid_jax.weights import scenes
from reid_jax.weights.scenes import (
    HistogramDetector,
    TransNetDetector,
    divide,
    middles,
    peaks,
    scenes_from_cuts,
)
from reid_jax.weights.transnet import (
    published_transnet,
    transnet_variables,
)
from tests.parity_cases import draw_weight
from tests.transnet_cases import FIRST_OF_SHOTS, drawn_shots

EXPECTED = np.load(Path(__file__).parents[1] / "fixtures" / "transnet.npz")
apply = jax.jit(TransNetV2().apply)


@pytest.fixture(scope="module")
def weights():
    try:
        return published_transnet()
    except UserError as error:
        pytest.skip(f"needs TransNet V2's weights: {error}")


def drawn_tensors() -> dict[str, np.ndarray]:
    shapes: dict[str, tuple[int, ...]] = {
        "frame_sim_layer.projection.weight": (128, 448),
        "frame_sim_layer.fc.weight": (128, 101),
        "color_hist_layer.fc.weight": (128, 101),
        "fc1.weight": (1024, 4864),
        "cls_layer1.weight": (1, 1024),
        "cls_layer2.weight": (1, 1024),
    }
    shapes |= {key.replace("weight", "bias"): shape[:1] for key, shape in shapes.items()}
    inputs = 3
    for stack, filters in enumerate((16, 32, 64)):
        for block in (0, 1):
            name = f"SDDCNN.{stack}.DDCNN.{block}"
            for dilation in (1, 2, 4, 8):
                layers = f"{name}.Conv3D_{dilation}.layers"
                shapes[f"{layers}.0.weight"] = (2 * filters, inputs, 1, 3, 3)
                shapes[f"{layers}.1.weight"] = (filters, 2 * filters, 3, 1, 1)
            for leaf in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{name}.bn.{leaf}"] = (4 * filters,)
            inputs = 4 * filters
    return {key: draw_weight("transnet", key, shape) for key, shape in shapes.items()}


def test_the_network_computes_what_its_authors_do_with_drawn_weights():
    variables = transnet_variables(drawn_tensors(), "the drawn weights")
    ours = np.asarray(apply(variables, drawn_shots()[None]))[0]
    np.testing.assert_allclose(ours, EXPECTED["drawn"], rtol=1e-4, atol=1e-3)
    expected = jax.eval_shape(
        TransNetV2().init, jax.random.key(0), jnp.zeros((1, 2, 27, 48, 3), jnp.uint8)
    )
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, dict(expected))


def test_the_published_weights_compute_what_they_do_there(weights):
    ours = np.asarray(apply(weights, drawn_shots()[None]))[0]
    np.testing.assert_allclose(ours, EXPECTED["published"], rtol=1e-4, atol=1e-3)


def test_the_published_weights_find_the_cuts(weights):
    detector = TransNetDetector(weights)
    for frame in drawn_shots():
        detector.add(frame)
    assert detector.cuts().tolist() == list(FIRST_OF_SHOTS[1:])
    assert len(detector.probabilities()) == len(drawn_shots())


@pytest.mark.exhaustive
def test_windows_are_those_of_the_authors(weights):
    """25 frames before the first and after the last are repeats of these; 50 by 50 decided."""
    frames = np.concatenate([drawn_shots()] * 3)[:130]
    detector = TransNetDetector(weights)
    for frame in frames:
        detector.add(frame)
    found = detector.probabilities()
    padded = np.concatenate([[frames[0]] * 25, frames, [frames[-1]] * 45])
    starts = [0, 100]
    windows = np.stack([padded[start : start + 100] for start in starts])
    logits = np.asarray(scenes._network()(weights, windows))[:, 25:75, 0]
    for start, middle in zip(starts, logits, strict=True):
        expected = 1 / (1 + np.exp(-middle))[: 130 - start]
        np.testing.assert_allclose(found[start : start + 50], expected, atol=1e-4)


def test_other_weights_are_refused():
    with pytest.raises(UserError, match="does not hold the weights of TransNet V2"):
        transnet_variables({"conv.weight": np.zeros(3)}, "some file")


def test_histograms_find_the_cuts_and_a_flash_is_none():
    detector = HistogramDetector()
    frames = drawn_shots()
    frames[3] = 255
    for frame in frames:
        detector.add(frame)
    assert detector.cuts().tolist() == list(FIRST_OF_SHOTS[1:])


@pytest.mark.parametrize("number", [0, 1, 2])
def test_almost_no_frames(number):
    detector = HistogramDetector()
    for frame in drawn_shots()[:number]:
        detector.add(frame)
    assert detector.cuts().tolist() == []


def test_without_the_weights_histograms_are_taken_and_one_line_says_why(monkeypatch, capsys):
    def refused():
        raise UserError("pip could not download it.")

    monkeypatch.setattr(scenes, "published_transnet", refused)
    scenes._variables.cache_clear()
    for _ in range(2):
        assert scenes.new_detector().name == "colour histograms"
    scenes._variables.cache_clear()
    assert capsys.readouterr().out == (
        "Scenes are told by colour histograms: pip could not download it.\n"
    )


@given(arrays.arrays(np.float64, st.integers(0, 60), elements=st.floats(0, 1)))
def test_peaks_stand_out(changes):
    found = peaks(changes)
    for t, change in enumerate(changes):
        others = [changes[s] for s in range(max(0, t - 6), min(len(changes), t + 7)) if s != t]
        second = max(others, default=0.0)
        assert (t in found) == (change >= 0.2 and change >= 2 * second and change > second)


@given(st.lists(st.booleans(), max_size=40))
def test_the_middle_of_each_transition(marked):
    expected, run = [], []
    for t, is_marked in enumerate(marked):
        if is_marked:
            run.append(t)
        elif run:
            expected.append((run[0] + run[-1]) // 2)
            run = []
    assert middles(np.array(marked, bool)).tolist() == expected


@given(st.integers(1, 200), st.lists(st.integers(-5, 250), max_size=10), st.integers(1, 30))
def test_scenes_and_their_parts_cover_the_video(n_frames, cuts, longest):
    found = scenes_from_cuts(np.array(cuts, np.int64), n_frames)
    parts = divide(found, longest, np.arange(n_frames + 1))
    for spans in (found, parts):
        assert spans[0, 0] == 0
        assert spans[-1, 1] == n_frames - 1
        np.testing.assert_array_equal(spans[1:, 0], spans[:-1, 1] + 1)
        assert np.all(spans[:, 1] >= spans[:, 0])
    assert np.all(parts[:, 1] - parts[:, 0] < longest)
    assert set(found[:, 0]) <= set(parts[:, 0])
    assert set(found[:, 0]) == {0} | {cut for cut in cuts if 0 < cut < n_frames}
    expected = []  # at a constant rate, parts of a scene differ by one frame at most
    for first, last in found.tolist():
        number = last - first + 1
        count = math.ceil(number / longest)
        expected += [first + part * number // count for part in range(count)]
    assert parts[:, 0].tolist() == expected


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 60), st.data())
def test_parts_of_a_variable_rate_are_divided_by_time(lengths, longest, data):
    edges = np.cumsum([0, *lengths])
    n_frames = len(lengths)
    cuts = data.draw(st.lists(st.integers(0, n_frames), max_size=4))
    parts = divide(scenes_from_cuts(np.array(cuts, np.int64), n_frames), longest, edges)
    assert np.concatenate([np.arange(a, b + 1) for a, b in parts]).tolist() == [*range(n_frames)]
    for first, last in parts.tolist():
        lasting = sum(length > 0 for length in lengths[first : last + 1])
        assert edges[last + 1] - edges[first] <= longest or lasting == 1
