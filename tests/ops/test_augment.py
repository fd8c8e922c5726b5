import dataclasses
import functools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.ops.images import photometric, underwater, warp
from reid_jax.ops.images.augment import Augmentation, augment, augment_alike, example_keys

EVERYTHING = Augmentation(
    crop=0.5,
    flip=True,
    rotation=20.0,
    shear=10.0,
    scale=0.2,
    translation=0.1,
    elastic=0.05,
    underwater=0.5,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    blur=0.5,
    erasing=0.5,
)
traced = []


@functools.partial(jax.jit, static_argnames="spec")
def compiled(keys, images, spec):
    traced.append(spec)
    return augment(keys, images, spec)


def _images(seed=0, size=(16, 12, 12, 3)):
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def _image(seed=0, size=(7, 9, 3)):
    return np.random.default_rng(seed).random(size).astype(np.float32)


def _keys(count, seed=0):
    return example_keys(jax.random.key(seed), jnp.arange(count))


@pytest.mark.parametrize("channels", [1, 3])
def test_off_is_division_by_255_exactly(channels):
    images = np.arange(256, dtype=np.uint8).repeat(channels).reshape(4, 8, 8, channels)
    got = compiled(_keys(4), images, Augmentation())
    assert got.dtype == jnp.float32
    np.testing.assert_array_equal(got, images.astype(np.float32) / np.float32(255.0))


def test_same_keys_same_pixels_and_other_keys_others():
    images = _images()
    first = np.asarray(compiled(_keys(16), images, EVERYTHING))
    np.testing.assert_array_equal(first, compiled(_keys(16), images, EVERYTHING))
    other = np.asarray(compiled(_keys(16, seed=1), images, EVERYTHING))
    assert (np.abs(first - other).max(axis=(1, 2, 3)) > 0.01).all()


def test_alike_is_the_same_key_for_each():
    key, images = jax.random.key(5), _images()
    alike = jax.jit(augment_alike, static_argnames="spec")(key, images, spec=EVERYTHING)
    each = compiled(jnp.broadcast_to(key, 16), images, EVERYTHING)
    np.testing.assert_allclose(alike, each, atol=1e-6)


def test_equal_photos_in_a_batch_come_out_different():
    got = np.asarray(compiled(_keys(16), _images()[:1].repeat(16, axis=0), EVERYTHING))
    assert len(np.unique(got.reshape(16, -1), axis=0)) == 16


def test_place_in_the_batch_does_not_matter():
    images, key, order = _images(), jax.random.key(3), np.random.default_rng(0).permutation(16)
    whole = compiled(example_keys(key, jnp.arange(16)), images, EVERYTHING)
    shuffled = compiled(example_keys(key, jnp.asarray(order)), images[order], EVERYTHING)
    np.testing.assert_allclose(shuffled, np.asarray(whole)[order], atol=1e-6)


def test_devices_draw_what_one_device_draws():
    images, key = _images(), jax.random.key(4)
    whole = compiled(example_keys(key, jnp.arange(16)), images, EVERYTHING)

    def part(images):
        offset = jax.lax.axis_index("batch") * images.shape[0]
        return augment(example_keys(key, offset + jnp.arange(2)), images, EVERYTHING)

    parts = jax.pmap(part, axis_name="batch")(images.reshape(8, 2, 12, 12, 3))
    np.testing.assert_allclose(parts.reshape(whole.shape), whole, atol=3e-6)


def test_one_compilation():
    compiled(_keys(16), _images(), EVERYTHING)
    before = len(traced)
    for seed in range(3):
        compiled(_keys(16, seed), _images(seed), dataclasses.replace(EVERYTHING))
    assert len(traced) == before


def test_switching_one_change_on_leaves_the_draws_of_the_others():
    images = _images()
    flipped = np.asarray(compiled(_keys(16), images, Augmentation(flip=True)))
    both = compiled(_keys(16), images, Augmentation(flip=True, erasing=1e-9, brightness=1e-9))
    np.testing.assert_allclose(both, flipped, atol=1e-6)


@hypothesis.given(st.integers(0, 2**30))
@hypothesis.settings(max_examples=12, deadline=None)
def test_result_is_finite_and_within_zero_and_one(seed):
    for size in [(16, 12, 12, 3), (4, 5, 9, 1)]:
        got = np.asarray(compiled(_keys(size[0], seed), _images(seed, size), EVERYTHING))
        assert got.shape == size
        assert np.isfinite(got).all()
        assert (got >= 0).all()
        assert (got <= 1).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 8)])
def test_tiny_images_survive(size):
    got = compiled(_keys(2), _images(0, (2, *size, 3)), EVERYTHING)
    assert np.isfinite(got).all()


def test_random_flip_is_numpys_or_nothing():
    images = _images(size=(40, 5, 7, 3))
    got = np.asarray(compiled(_keys(40), images, Augmentation(flip=True)))
    expected = images.astype(np.float32) / np.float32(255.0)
    flipped = (got == expected[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (got == expected).all(axis=(1, 2, 3))
    assert (flipped ^ kept).all()
    assert 8 <= flipped.sum() <= 32


# ---- geometry


def _warped(image, border="reflect", displacement=None, **geometry):
    geometry = {name: jnp.asarray(value) for name, value in geometry.items()}
    y, x = warp.coordinates(warp.Geometry(**geometry), *image.shape[:2], displacement)
    return np.asarray(warp.resample(jnp.asarray(image), y, x, border))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [8, 9])
def test_quarter_turns_are_numpys(turns, size):
    image = _image(size=(size, size, 3))
    got = _warped(image, rotation=turns * np.float32(np.pi / 2))
    np.testing.assert_allclose(got, np.rot90(image, turns), atol=1e-5)


def test_flip_and_whole_shifts_are_numpys():
    image = _image(size=(8, 10, 3))
    np.testing.assert_allclose(_warped(image, flip=True), image[:, ::-1], atol=1e-6)
    np.testing.assert_allclose(_warped(image), image, atol=1e-6)
    down, right = _warped(image, shift_y=0.25), _warped(image, shift_x=0.3, border="edge")
    np.testing.assert_allclose(down[2:], image[:-2], atol=1e-5)
    np.testing.assert_allclose(down[:2], image[2:0:-1], atol=1e-5)
    np.testing.assert_allclose(right[:, 3:], image[:, :-3], atol=1e-5)
    np.testing.assert_allclose(right[:, :3], image[:, :1].repeat(3, axis=1), atol=1e-5)


def test_scale_two_about_the_centre():
    image = _image(size=(9, 9, 1))
    np.testing.assert_allclose(_warped(image, scale=2.0)[::2, ::2], image[2:7, 2:7], atol=1e-5)


def test_shear_moves_rows_sideways():
    image = _image(size=(5, 9, 1))
    got = _warped(image, shear=np.float32(np.pi / 4), border="edge")
    for row, shift in enumerate([-2, -1, 0, 1, 2]):
        expected = image[row, np.clip(np.arange(9) - shift, 0, 8)]
        np.testing.assert_allclose(got[row], expected, atol=1e-5)


@pytest.mark.parametrize(("top", "left"), [(0.0, 0.0), (1.0, 0.0), (0.5, 1.0)])
def test_crop_is_a_resized_part(top, left):
    """Half the height and width, resized bilinearly with the corners of pixels aligned."""
    image = _image(size=(8, 8, 2))
    got = _warped(image, crop_height=0.5, crop_width=0.5, crop_top=top, crop_left=left)
    y, x = int(4 * top), int(4 * left)
    part = image[y : y + 4, x : x + 4]
    resized = np.asarray(jax.image.resize(jnp.asarray(part), (8, 8, 2), "bilinear"))
    np.testing.assert_allclose(got[1:-1, 1:-1], resized[1:-1, 1:-1], atol=1e-5)


def _bilinear(image, y, x):
    """One pixel, written out; reflected coordinates by folding step by step."""

    def fold(i, size):
        while not 0 <= i < size:
            i = -i if i < 0 else 2 * (size - 1) - i
        return i

    total = 0.0
    top, left = int(np.floor(y)), int(np.floor(x))
    for i in (top, top + 1):
        for j in (left, left + 1):
            weight = (1 - abs(y - i)) * (1 - abs(x - j))
            total = total + weight * image[fold(i, image.shape[0]), fold(j, image.shape[1])]
    return total


def test_resampling_is_the_loop_far_beyond_the_border():
    image = _image(size=(4, 6, 3))
    rng = np.random.default_rng(5)
    y = rng.uniform(-20, 20, (5, 7)).astype(np.float32)
    x = rng.uniform(-20, 20, (5, 7)).astype(np.float32)
    got = warp.resample(jnp.asarray(image), jnp.asarray(y), jnp.asarray(x))
    expected = [[_bilinear(image, y[i, j], x[i, j]) for j in range(7)] for i in range(5)]
    np.testing.assert_allclose(got, expected, atol=1e-4)


@hypothesis.given(
    st.sampled_from([(1, 7), (9, 9), (6, 1)]),
    st.floats(0.1, 1.0),
    st.floats(-1.5, 1.5),
    st.booleans(),
    st.sampled_from(["reflect", "edge"]),
)
@hypothesis.settings(max_examples=10, deadline=None)
def test_matrix_products_are_the_gathers(size, crop, shift, flip, border):
    image = jnp.asarray(_images(size=(*size, 3)))
    geometry = warp.Geometry(
        scale=jnp.float32(1.3),
        shift_y=jnp.float32(shift),
        shift_x=jnp.float32(-shift),
        flip=jnp.asarray(flip),
        crop_height=jnp.float32(crop),
        crop_left=jnp.float32(0.2),
    )
    y, x = warp.coordinates(geometry, *size)
    assert (y.shape, x.shape) == ((size[0], 1), (1, size[1]))
    gathered = warp.resample(image, y, x, border)
    whole = warp.resample(image, *jnp.broadcast_arrays(y, x), border)
    np.testing.assert_array_equal(gathered, whole)
    inside = (warp._inside(at, n, border) for at, n in zip((y, x), size, strict=True))
    np.testing.assert_allclose(warp._products(image, *inside), gathered, atol=1e-4)


@pytest.mark.parametrize(
    ("spec", "separable"),
    [
        (Augmentation(crop=0.4, flip=True, scale=0.2, translation=0.1), True),
        (Augmentation(crop=0.4, rotation=10.0), False),
        (Augmentation(scale=0.2, shear=10.0), False),
        (Augmentation(translation=0.2, elastic=0.1), False),
    ],
    ids=str,
)
def test_only_what_turns_or_bends_mixes_rows_and_columns(spec, separable):
    program = str(jax.make_jaxpr(functools.partial(augment, spec=spec))(_keys(16), _images()))
    assert ("dot_general" in program and "platform_index" in program) == separable


def test_displacement_moves_pixels_and_is_smooth():
    image = _image(size=(8, 8, 1))
    field = jnp.zeros((8, 8, 2)).at[..., 1].set(1.0)
    got = _warped(image, displacement=field, border="edge")
    np.testing.assert_allclose(got[:, :-1], image[:, 1:], atol=1e-6)
    noise = jax.random.uniform(jax.random.key(0), (5, 5, 2), minval=-1.0, maxval=1.0)
    smooth = np.asarray(warp.smooth_displacement(noise, 64, 64))
    assert np.abs(smooth).max() > 0.3
    assert np.abs(np.diff(smooth, axis=0)).max() < 0.3


@pytest.mark.parametrize(
    "options",
    [{"crop": 0.5}, {"rotation": 20.0}, {"translation": 0.2}, {"scale": 0.5}, {"elastic": 0.1}],
    ids=str,
)
def test_each_geometric_change_moves_pixels_but_adds_no_new_values(options):
    images = _images(size=(8, 16, 16, 3))
    got = np.asarray(compiled(_keys(8), images, Augmentation(**options)))
    plain = images / 255.0
    assert (np.abs(got - plain).max(axis=(1, 2, 3)) > 0.02).all()
    assert (got.max(axis=(1, 2, 3)) <= plain.max(axis=(1, 2, 3)) + 1e-6).all()
    assert (got.min(axis=(1, 2, 3)) >= plain.min(axis=(1, 2, 3)) - 1e-6).all()


# ---- colour, blur, erasing


def _luma(image):
    return (image @ np.array([0.299, 0.587, 0.114]))[..., None]


def test_brightness_contrast_saturation_are_numpys():
    image = _image()
    bright = 1.3 * image
    got = photometric.recolor(image, brightness=jnp.float32(1.3))
    np.testing.assert_allclose(got, bright, atol=1e-5)
    mean = _luma(bright).mean()
    contrast = mean + 0.4 * (bright - mean)
    got = photometric.recolor(image, brightness=jnp.float32(1.3), contrast=jnp.float32(0.4))
    np.testing.assert_allclose(got, contrast, atol=1e-5)
    for factor in (0.0, 1.7):
        grey = _luma(image)
        got = photometric.recolor(image, saturation=jnp.float32(factor))
        np.testing.assert_allclose(got, grey + factor * (image - grey), atol=1e-5)


def test_greyscale_changes_about_its_mean():
    image = _image(size=(5, 5, 1))
    expected = 1.2 * (image.mean() + 2.0 * (image - image.mean()))
    got = photometric.recolor(
        jnp.asarray(image), brightness=jnp.float32(1.2), contrast=jnp.float32(2.0)
    )
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("turns", [0.0, 0.1, 0.5, 1.0])
def test_hue_and_saturation_turn_and_stretch_the_chroma_of_yiq(turns):
    """Pixel by pixel: luma stays, (I, Q) turns as a complex number."""
    to_yiq = np.array(
        [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]]
    )
    image = _image()
    got = photometric.recolor(image, hue=jnp.float32(turns), saturation=jnp.float32(0.7))
    for before, after in zip(image.reshape(-1, 3), np.reshape(got, (-1, 3)), strict=True):
        y, i, q = to_yiq @ before
        turned = 0.7 * complex(i, q) * np.exp(2j * np.pi * turns)
        np.testing.assert_allclose(to_yiq @ after, [y, turned.real, turned.imag], atol=1e-5)


def test_all_colour_changes_at_once_are_one_after_the_other():
    image = _image()
    options = {"brightness": 1.2, "contrast": 0.7, "saturation": 1.4, "hue": 0.15}
    at_once = photometric.recolor(image, **options)
    step_by_step = image
    for name, value in options.items():
        step_by_step = photometric.recolor(step_by_step, **{name: value})
    np.testing.assert_allclose(at_once, step_by_step, atol=2e-3)


def test_blur_is_the_loop():
    image, sigma, radius = _image(size=(6, 5, 2)), 0.8, 3
    got = photometric.gaussian_blur(jnp.asarray(image), jnp.float32(sigma), radius)
    for y in range(6):
        for x in range(5):
            total, weights = 0.0, 0.0
            for i in range(-radius, radius + 1):
                for j in range(-radius, radius + 1):
                    weight = np.exp(-(i**2 + j**2) / (2 * sigma**2))
                    total = total + weight * image[np.clip(y + i, 0, 5), np.clip(x + j, 0, 4)]
                    weights += weight
            np.testing.assert_allclose(got[y, x], total / weights, rtol=1e-5)


def test_noise_is_uniform_and_differs_with_the_seed():
    one, two = (
        np.asarray(photometric.noise(jnp.uint32(seed), (64, 64, 3))).astype(int) for seed in (1, 2)
    )
    counts = np.bincount(one.reshape(-1), minlength=256)
    assert counts.size == 256
    assert ((counts - 48.0) ** 2 / 48.0).sum() < 340, "chi-squared, 255 degrees of freedom"
    for shift in (1, 3, 64, 192):
        flat = one.reshape(-1)
        assert abs(np.corrcoef(flat[shift:], flat[:-shift])[0, 1]) < 0.04
    assert abs(np.corrcoef(one.reshape(-1), two.reshape(-1))[0, 1]) < 0.04


def test_blur_probability_zero_leaves_pixels_exactly():
    images = _images()
    got = np.asarray(compiled(_keys(16), images, Augmentation(blur=1e-9)))
    np.testing.assert_array_equal(got, images.astype(np.float32) / np.float32(255.0))


def test_erase_fills_exactly_the_box():
    image, filling = _image(size=(6, 8, 3)), np.full((6, 8, 3), 2.0, np.float32)
    got = np.asarray(photometric.erase(image, filling, jnp.asarray([1.0, 3.0, 2.0, 4.0])))
    expected = image.copy()
    expected[1:3, 3:7] = 2.0
    np.testing.assert_array_equal(got, expected)


def test_erased_area_and_shape_are_in_range():
    size = (300, 40, 50, 3)
    images = np.zeros(size, np.uint8)
    erased = np.asarray(compiled(_keys(300), images, Augmentation(erasing=1.0))).any(axis=3)
    for one in erased:
        rows, columns = np.flatnonzero(one.any(axis=1)), np.flatnonzero(one.any(axis=0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert one.sum() == height * width, "a full rectangle"
        assert 0.015 <= one.mean() <= 0.43
        assert 0.25 <= (height / 40) / (width / 50) <= 4.0
    fractions = erased.mean(axis=(1, 2))
    assert fractions.min() < 0.06
    assert fractions.max() > 0.35
    assert erased.any(axis=0).mean() > 0.98


@pytest.mark.parametrize("name", ["erasing", "blur", "underwater"])
def test_probability_is_the_share_of_changed_examples(name):
    images = _images(size=(300, 8, 8, 3))
    got = np.asarray(compiled(_keys(300), images, Augmentation(**{name: 0.3})))
    changed = (np.abs(got - images / 255.0) > 1e-6).any(axis=(1, 2, 3))
    assert 0.2 < changed.mean() < 0.4


# ---- water


def _water(kind=1.5, depth=3.0, brightness=0.6):
    coefficients = underwater.attenuation(jnp.float32(kind))
    veil = underwater.veil(coefficients, jnp.float32(depth), jnp.float32(brightness))
    return coefficients, veil


def test_no_water_is_the_identity():
    image = _image()
    got = underwater.underwater(image, *_water(), jnp.float32(0.0))
    np.testing.assert_array_equal(got, image)


def test_water_is_the_formula():
    image, (coefficients, veil) = _image(), map(np.asarray, _water())
    got = np.asarray(underwater.underwater(image, coefficients, veil, jnp.float32(4.0)))
    for channel in range(3):
        kept = np.exp(-coefficients[channel] * 4.0)
        expected = image[..., channel] * kept + veil[channel] * (1 - kept)
        np.testing.assert_allclose(got[..., channel], expected, rtol=1e-5)


@pytest.mark.parametrize("kind", range(len(underwater.JERLOV)))
def test_red_fades_first_and_far_water_is_the_veil(kind):
    coefficients, veil = _water(float(kind))
    white, dark = np.ones((1, 1, 3), np.float32), jnp.zeros(3)
    red, green, blue = underwater.underwater(white, coefficients, dark, jnp.float32(3.0))[0, 0]
    assert red < min(green, blue)
    far = underwater.underwater(white, coefficients, veil, jnp.float32(1e3))[0, 0]
    np.testing.assert_allclose(far, veil, rtol=1e-5)
    np.testing.assert_allclose(np.max(veil), 0.6, rtol=1e-5)
    assert veil[0] == np.min(veil)


def test_water_types_are_interpolated():
    halfway = underwater.attenuation(jnp.float32(2.5))
    np.testing.assert_allclose(
        halfway, (underwater.JERLOV[2] + underwater.JERLOV[3]) / 2, rtol=1e-5
    )


def test_grey_photos_have_no_water_and_no_hue():
    images = _images(size=(4, 8, 8, 1))
    colored = Augmentation(underwater=1.0, saturation=0.5, hue=0.2)
    np.testing.assert_array_equal(
        compiled(_keys(4), images, colored), compiled(_keys(4), images, Augmentation())
    )


# ---- bad input


@pytest.mark.parametrize(
    "options",
    [
        {"crop": 1.0},
        {"crop_ratio": 0.5},
        {"blur": 1.5},
        {"erasing": -0.1},
        {"hue": 0.6},
        {"rotation": float("nan")},
        {"border": "wrap"},
    ],
    ids=str,
)
def test_impossible_values_are_refused_by_name(options):
    (name,) = options
    with pytest.raises(UserError, match=name):
        Augmentation(**options)
    assert name in {field.name for field in dataclasses.fields(Augmentation)}


def test_wrong_shapes_are_refused():
    images = _images()
    for keys, bad in [
        (_keys(5), images),
        (_keys(16), images[0]),
        (_keys(16), images.astype(np.float32)),
        (jax.random.key(0), images),
    ]:
        with pytest.raises(AssertionError):
            augment(keys, jnp.asarray(bad), Augmentation())
