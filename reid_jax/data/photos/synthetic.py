"""Drawn individuals: the head of a turtle with scutes of its own, photographed under water.

An individual is the layout of its scutes (a Voronoi diagram), their shades, spots and stripes. All
individuals share shape and colours, and every photo has its own pose, light, water, blur and
occlusion: neither mean colour nor comparing pixels tells them apart.
"""

import dataclasses

import numpy as np

from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos.dataset import Dataset

SIDE = 96
_TEXTURE_SIDE = 144
_REACH = 1.25  # the texture shows [-_REACH, _REACH] of the plane of the head, snout to the right


def _vector(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


_BORDER = _vector(0.86, 0.78, 0.58)
_SCUTE_DARK = _vector(0.16, 0.10, 0.06)
_SCUTE_LIGHT = _vector(0.62, 0.44, 0.22)
_BEAK = _vector(0.80, 0.66, 0.38)
_FIRST_DAY = np.datetime64("2015-01-01T09:00:00", "s")


def synthetic_dataset(num_identities: int, photos_each: int, *, seed: int = 0) -> Dataset:
    """`num_identities` x `photos_each` photos, uint8 96 x 96 x 3 in memory, with a column "date".

    The same individual is drawn whatever the number of individuals. Photos come four to a day.
    """

    def draw(identity: int) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, identity])))
        texture = _draw_individual(generator)
        photos = _photograph(texture, photos_each, generator)
        num_days = -(-photos_each // 4)
        days = np.sort(generator.choice(3650, num_days, replace=num_days > 3650))
        seconds = generator.integers(8 * 3600, size=photos_each)
        times = np.repeat(days, 4)[:photos_each] * 86400 + seconds
        return photos, _FIRST_DAY + times.astype("timedelta64[s]")

    drawn = parallel_map(draw, range(num_identities), "Drawing individuals")
    identities = tuple(f"drawn{number:04d}" for number in range(num_identities))
    return Dataset(
        paths=np.array(
            [f"{name}/{photo:03d}" for name in identities for photo in range(photos_each)]
        ),
        labels=np.repeat(np.arange(num_identities, dtype=np.int32), photos_each),
        identities=identities,
        columns={"date": np.concatenate([dates for _, dates in drawn])},
        pixels=np.concatenate([photos for photos, _ in drawn]),
    )


def _smoothstep(values: np.ndarray, low: float, high: float) -> np.ndarray:
    ramp = np.clip((values - low) / (high - low), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def _mix(under: np.ndarray, over: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    return under + (over - under) * opacity[..., None]


def _ellipse(
    u: np.ndarray, v: np.ndarray, cu: float, cv: float, ru: float, rv: float
) -> np.ndarray:
    return np.hypot((u - cu) / ru, (v - cv) / rv)


def _draw_individual(generator: np.random.Generator) -> np.ndarray:
    """RGBA texture float32 (_TEXTURE_SIDE, _TEXTURE_SIDE, 4) of one individual's head and neck."""
    axis = np.linspace(-_REACH, _REACH, _TEXTURE_SIDE, dtype=np.float32)
    u, v = np.meshgrid(axis, -axis)

    # Scutes: a jittered hexagonal grid on the head, a finer one on the neck.
    sites = []
    for spacing, low, high in ((0.30, -0.55, 1.1), (0.17, -1.4, -0.55)):
        rows, columns = np.mgrid[-1.2:1.2:spacing, low : high : spacing * 1.1]
        columns = columns + spacing * 0.5 * (np.arange(len(rows)) % 2)[:, None]
        grid = np.stack([columns.ravel(), rows.ravel()], 1)
        sites.append(grid + generator.uniform(-0.42, 0.42, grid.shape) * spacing)
    centres = np.concatenate(sites).astype(np.float32)
    points = np.stack([u.ravel(), v.ravel()], 1)
    squared = (points**2).sum(1)[:, None] - 2 * points @ centres.T + (centres**2).sum(1)
    nearest = np.argpartition(squared, 1, axis=1)[:, :2]
    two = np.take_along_axis(squared, nearest, 1)
    swap = two[:, 0] > two[:, 1]
    nearest[swap], two[swap] = nearest[swap, ::-1], two[swap, ::-1]
    cell = nearest[:, 0].reshape(u.shape)
    gap = np.linalg.norm(centres[nearest[:, 1]] - centres[nearest[:, 0]], axis=1)
    border = ((two[:, 1] - two[:, 0]) / (2 * gap)).reshape(u.shape)

    # What a scute looks like: its shade, a pale spot in some, stripes in others.
    count = len(centres)
    shade = generator.uniform(0.0, 1.0, count).astype(np.float32)[cell]
    du, dv = u - centres[cell, 0], v - centres[cell, 1]
    spot = (generator.random(count) < 0.3)[cell] * (1 - _smoothstep(np.hypot(du, dv), 0.03, 0.075))
    angle = generator.uniform(0, np.pi, count).astype(np.float32)[cell]
    wave = np.sin(60 * (du * np.cos(angle) + dv * np.sin(angle)))
    striped = (generator.random(count) < 0.25)[cell]
    light = np.clip(shade + striped * 0.28 * wave + 0.8 * spot, 0, 1)
    colour = _mix(_SCUTE_DARK, _SCUTE_LIGHT, light)
    colour = _mix(colour, _BORDER, 1 - _smoothstep(border, 0.012, 0.034))

    # The features all turtles share: beak, mouth, eye.
    beak = _smoothstep(u + 0.5 * np.abs(v + 0.15), 0.80, 0.90)
    jaw = _smoothstep(-v - 0.1 * u, 0.36, 0.42) * _smoothstep(u, -0.25, -0.1)
    colour = _mix(colour, _BEAK, np.maximum(beak, jaw))
    mouth = np.abs(v + 0.33 - 0.16 * (u - 0.45) ** 2)
    colour = _mix(
        colour, _SCUTE_DARK, (1 - _smoothstep(mouth, 0.008, 0.03)) * _smoothstep(u, 0.0, 0.1)
    )
    eye = _ellipse(u, v, 0.36, 0.14, 0.17, 0.12)
    colour = _mix(colour, _BORDER * 0.8, 1 - _smoothstep(eye, 1.1, 1.3))
    colour = _mix(colour, _vector(0.03, 0.03, 0.04), 1 - _smoothstep(eye, 0.85, 1.0))
    glint = _ellipse(u, v, 0.40, 0.18, 0.035, 0.028)
    colour = _mix(colour, _vector(0.9, 0.95, 1.0), 1 - _smoothstep(glint, 0.7, 1.2))

    cranium = _ellipse(u, v, -0.05, 0.06, 0.72, 0.52)
    snout = _ellipse(u, v, 0.48, -0.10, 0.50, 0.38)
    neck = np.maximum(np.abs(v + 0.14 + 0.08 * u) / 0.40, (u - 0.1) / 0.3)
    outside = np.minimum(np.minimum(cranium, snout), neck)
    roundness = 0.45 + 0.55 * np.sqrt(np.clip(1.05 - outside, 0, 1))
    alpha = 1 - _smoothstep(outside, 0.96, 1.03)
    return np.concatenate([colour * roundness[..., None], alpha[..., None]], -1).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class _Scene:
    """M photos being taken: the pixel grid (x, y in [-1, 1], y upwards) and the random source."""

    count: int
    generator: np.random.Generator
    x: np.ndarray
    y: np.ndarray

    def uniform(self, low: float, high: float, *shape: int) -> np.ndarray:
        """float32 (M, *shape, 1, 1), to be broadcast over the pixels."""
        values = self.generator.uniform(low, high, (self.count, *shape, 1, 1))
        return values.astype(np.float32)

    def waves(self, number: int, frequency: float) -> np.ndarray:
        """Smooth noise, float32 (M, SIDE, SIDE) of about unit variance: a sum of plane waves."""
        total = np.zeros((self.count, SIDE, SIDE), np.float32)
        for _ in range(number):
            fx, fy = self.uniform(-frequency, frequency), self.uniform(-frequency, frequency)
            # exp(i (a + b)) = exp(ia) exp(ib): the waves cost an outer product.
            across = np.exp(1j * (fx * self.x[0] + self.uniform(0, 2 * np.pi)))
            along = np.exp(1j * fy * self.y[:, :1])
            total += (along * across).real
        return total * np.float32(np.sqrt(2 / number))


def _photograph(texture: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """uint8 (count, SIDE, SIDE, 3): the head of one individual in as many situations."""
    axis = ((np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE) * 2 - 1
    x, y = np.meshgrid(axis, -axis)
    scene = _Scene(count, generator, x, y)

    background = _background(scene)
    head = _sample(texture, *_pose(scene))
    slope = scene.uniform(-0.35, 0.35) * x + scene.uniform(-0.1, 0.5) * y
    caustics = 0.12 * np.abs(scene.waves(3, 9.0))
    lit = head[..., :3] * (scene.uniform(0.7, 1.25) * (1 + slope) + caustics)[..., None]
    photo = _mix(background, lit, head[..., 3])
    photo = _occlude(scene, photo)
    photo = _blur(photo, scene.uniform(0.3, 1.5))
    photo += 0.012 * generator.standard_normal(photo.shape, np.float32)
    return np.clip(np.rint(photo * 255), 0, 255).astype(np.uint8)


def _pose(scene: _Scene) -> tuple[np.ndarray, np.ndarray]:
    """The point of the head's plane that each pixel sees, (M, SIDE, SIDE) each."""
    angle = scene.uniform(-0.25, 0.25)
    scale = 1.0 / scene.uniform(0.95, 1.15)
    x, y = scene.x - scene.uniform(-0.09, 0.09), scene.y - scene.uniform(-0.09, 0.09)
    # The head turns towards or away from the camera: one side shrinks, the far end more so.
    depth = 1 + scene.uniform(-0.12, 0.12) * x + scene.uniform(-0.12, 0.12) * y
    x, y = x / depth, y / depth
    u = scale * (np.cos(angle) * x + np.sin(angle) * y) / scene.uniform(0.88, 1.05)
    v = scale * (np.cos(angle) * y - np.sin(angle) * x)
    return u + scene.uniform(-0.12, 0.12) * v, v


def _sample(texture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bilinear look-up; mirrored on the left, where the neck goes on."""
    last = _TEXTURE_SIDE - 1
    u = np.where(u < -_REACH, -2 * _REACH - u, u)
    columns = np.clip((u / _REACH + 1) / 2 * last, 0, last - 1e-3)
    rows = np.clip((1 - v / _REACH) / 2 * last, 0, last - 1e-3)
    column, row = columns.astype(np.int32), rows.astype(np.int32)
    right, down = (columns - column)[..., None], (rows - row)[..., None]
    flat, start = texture.reshape(-1, 4), row * _TEXTURE_SIDE + column
    upper = flat[start] * (1 - right) + flat[start + 1] * right
    lower = flat[start + _TEXTURE_SIDE] * (1 - right) + flat[start + _TEXTURE_SIDE + 1] * right
    return upper * (1 - down) + lower * down


def _background(scene: _Scene) -> np.ndarray:
    """Blue to green water, lighter above, over sand: (M, SIDE, SIDE, 3)."""
    hue, depth = scene.uniform(0, 1), scene.uniform(0.55, 1.0)
    channels = (0.06 + 0.12 * hue, 0.36 + 0.16 * hue, 0.62 - 0.32 * hue)
    water = np.stack([c * depth * (1 + 0.3 * scene.y) for c in channels], -1)
    floor = scene.uniform(-1.5, -0.2) + 0.06 * scene.waves(2, 5.0)
    grain = (0.85 + 0.1 * scene.waves(4, 14.0))[..., None]
    sand = _vector(0.62, 0.60, 0.46) * depth[..., None] * grain
    return _mix(water, sand, 0.8 * (1 - _smoothstep(scene.y - floor, -0.08, 0.08)))


def _occlude(scene: _Scene, photo: np.ndarray) -> np.ndarray:
    """Water between camera and head, then weeds, bubbles and drifting sand."""
    # I = J exp(-beta z) + B (1 - exp(-beta z)): red fades first (Akkaynak & Treibitz, CVPR 2018).
    distance = scene.uniform(0.1, 1.0)
    hue = scene.uniform(0, 1)
    veil = np.stack([0.05 + 0.05 * hue, 0.34 + 0.12 * hue, 0.52 - 0.22 * hue], -1)
    kept = np.exp(-_vector(1.1, 0.35, 0.30) * distance[..., None])
    photo = photo * kept + veil * (1 - kept)

    for _ in range(2):  # weeds: swaying blades from below, in half of the photos
        lean, sway, top = scene.uniform(-0.3, 0.3), scene.uniform(2, 6), scene.uniform(-0.5, 0.7)
        there = scene.uniform(0, 1) < 0.5
        middle = scene.uniform(-1, 1) + lean * scene.y
        middle = middle + 0.08 * np.sin(sway * scene.y + scene.uniform(0, 6))
        width = 0.09 * np.clip(top - scene.y, 0, 1) ** 0.5
        blade = there * (1 - _smoothstep(np.abs(scene.x - middle) - width, -0.02, 0.02))
        blade = blade * (scene.y < top)
        colour = np.stack([0.10 + 0 * top, 0.28 + 0.12 * (top + 0.5), 0.12 + 0 * top], -1)
        photo = _mix(photo, colour, 0.9 * blade)
    for _ in range(3):  # bubbles: a bright rim and a faint inside
        radius = scene.uniform(-0.08, 0.16)
        far = np.hypot(scene.x - scene.uniform(-1, 1), scene.y - scene.uniform(-1, 1))
        inside = np.maximum(radius, 1e-3) - far
        rim = 1 - _smoothstep(np.abs(inside), 0.01, 0.035)
        bubble = (radius > 0.03) * np.maximum(0.7 * rim, 0.25 * (inside > 0))
        photo = _mix(photo, _vector(0.80, 0.92, 0.95), bubble)
    specks = scene.generator.random(photo.shape[:3]) < scene.uniform(0, 0.012)
    return _mix(photo, _vector(0.85, 0.85, 0.75), 0.8 * specks)


def _blur(photos: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Gaussian of seven taps along both axes, of its own width for each photo (M, 1, 1)."""
    taps = np.arange(-3, 4)
    kernel = np.exp(-(taps**2) / (2 * sigma.reshape(-1, 1) ** 2))
    kernel = (kernel / kernel.sum(1, keepdims=True)).astype(np.float32)[:, :, None, None, None]
    padded = np.pad(photos, [(0, 0), (3, 3), (3, 3), (0, 0)], mode="edge")
    rows = kernel[:, 0] * padded[:, :SIDE]
    for k in range(1, 7):
        rows += kernel[:, k] * padded[:, k : k + SIDE]
    blurred = kernel[:, 0] * rows[:, :, :SIDE]
    for k in range(1, 7):
        blurred += kernel[:, k] * rows[:, :, k : k + SIDE]
    return blurred
