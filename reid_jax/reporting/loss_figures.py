"""Pictures of the objectives: what they cost, where they pull, and what the margin does.

Each figure is the bytes of a PNG. Needs matplotlib.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.console import counting
from reid_jax.files import atomic_write, check_destinations, write_text
from reid_jax.ops.losses.contrastive import pair_contrastive_loss
from reid_jax.ops.losses.margin_softmax import margin_softmax_loss
from reid_jax.ops.losses.margins import adaface_cosine, arcface_cosine, cosface_cosine
from reid_jax.ops.losses.proxy_anchor import proxy_anchor_loss
from reid_jax.ops.losses.triplet import triplet_loss
from reid_jax.reporting.figures import INK, LINE, MUTED, NETWORK, OTHER, as_png, new_figure
from reid_jax.reporting.loss_landscapes import Landscape, families, surface
from reid_jax.reporting.table import Table

_BOXED: Any = {"frameon": True, "facecolor": "white", "edgecolor": "none", "framealpha": 0.9}
_MARGINS = ("#b7c4c2", "#69b3a7", NETWORK, "#0b3b37")


def landscape_figure(landscapes: Sequence[Landscape]) -> bytes:
    """Loss above, length of its gradient below, over the distances to positive and negative."""
    number = len(landscapes)
    with new_figure(3.45 * number + 0.4, 6.6, number, 2) as (figure, panels):
        for column, landscape in enumerate(landscapes):
            found = surface(landscape)
            rows = ((found.loss, _teal(), "loss"), (found.gradient, _amber(), "gradient"))
            for row, (values, shades, what) in enumerate(rows):
                axes = panels[row * number + column]
                axes.set_facecolor(LINE)
                _contours(figure, axes, found.distances, values, shades)
                axes.plot([0, 2], [0, 2], color=INK, ls=(0, (4, 3)), linewidth=1.0)
                axes.set(title=f"{landscape.title}: {what}", xlim=(0, 2), ylim=(0, 2))
                axes.set_aspect("equal")
                axes.grid(visible=False)
                for ticks in (axes.set_xticks, axes.set_yticks):
                    ticks([0, 0.5, 1, 1.5, 2], ["0", "½", "1", "1½", "2"])
                axes.set_xlabel("distance to the positive" if row else "")
                axes.set_ylabel("distance to the negative" if column == 0 else "")
                if column == 0:
                    axes.text(1.96, 0.06, "no three points\nare so", ha="right", color=MUTED)
        return as_png(figure)


def _contours(figure: Any, axes: Any, axis: np.ndarray, values: np.ndarray, shades: Any) -> None:
    top = float(np.nanmax(values))
    levels = np.linspace(0, top if top > 0 else 1.0, 13)
    filled = axes.contourf(axis, axis, values, levels, cmap=shades)
    axes.contour(axis, axis, values, levels[1:-1:2], colors="white", linewidths=0.6, alpha=0.8)
    bar = figure.colorbar(filled, ax=axes, shrink=0.8, aspect=22, pad=0.02)
    bar.set_ticks(levels[::3])
    bar.ax.set_yticklabels([f"{level:.2g}" for level in levels[::3]])
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8)


def _teal() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("teal", ["#f4f8f7", "#7cc4b8", NETWORK, "#062f2c"])


def _amber() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("amber", ["#fdf9f3", "#f0b878", OTHER, "#5a2d06"])


def contrastive_figure() -> bytes:
    """Cost and gradient of a pair by its distance, for same and different, by margin."""
    distance = np.linspace(0.002, 2.0, 401, dtype=np.float32)

    def cost(same: bool, margin: float) -> Callable[[jax.Array], jax.Array]:
        labels = jnp.array([0, 0 if same else 1])

        def of(d: jax.Array) -> jax.Array:
            pair = jnp.stack([jnp.zeros((1,)), d[None]])
            return pair_contrastive_loss(pair, labels, margin=margin)[0]

        return of

    with new_figure(9.4, 3.7, 2) as (figure, (left, right)):
        lines = [("same individual", OTHER, cost(True, 1.0))]
        lines += [
            (f"different, margin {margin:g}", colour, cost(False, margin))
            for margin, colour in zip((0.5, 1.0, 1.5), _MARGINS[1:], strict=True)
        ]
        for name, colour, function in lines:
            value, slope = jax.vmap(jax.value_and_grad(function))(distance)
            left.plot(distance, value, color=colour, label=name)
            right.plot(distance, np.abs(slope), color=colour, label=name)
        left.set(title="Contrastive loss of a pair", xlabel="distance", ylim=(0, 3), xlim=(0, 2))
        right.set(title="Length of its gradient", xlabel="distance", ylim=(0, 4.05), xlim=(0, 2))
        left.legend(fontsize=9, loc="upper center")
        return as_png(figure)


def mining_figure() -> bytes:
    """The triplet loss of a batch while its individuals draw apart, by mining and margin."""
    rng = np.random.default_rng(0)
    individuals, photos, width = 8, 4, 16
    labels = jnp.repeat(jnp.arange(individuals), photos)
    centres = np.repeat(rng.normal(size=(individuals, width)), photos, axis=0)
    noise = rng.normal(size=centres.shape)
    apart = np.linspace(0, 3, 61)
    points = apart[:, None, None] * centres + noise
    points = (points / np.linalg.norm(points, axis=2, keepdims=True)).astype(np.float32)

    def curve(mining: Any, margin: float | None) -> np.ndarray:
        def mean(embeddings: jax.Array) -> jax.Array:
            total, count = triplet_loss(
                embeddings, labels, margin=margin, mining=mining, mean_over="valid"
            )
            return total / jnp.maximum(count, 1.0)

        return np.asarray(jax.jit(jax.vmap(mean))(points))

    settings = (
        ("hardest", "hard", OTHER),
        ("semi-hard", "semi_hard", NETWORK),
        ("all triplets", "all", MUTED),
    )
    with new_figure(9.4, 3.7, 2) as (figure, (left, right)):
        for name, mining, colour in settings:
            left.plot(apart, curve(mining, 0.3), color=colour, label=name)
        left.plot(apart, curve("hard", None), color=OTHER, ls=":", label="hardest, soft margin")
        left.plot(apart, curve("all", None), color=MUTED, ls=":", label="all, soft margin")
        for margin, colour in zip((0.1, 0.3, 0.6, 1.0), _MARGINS, strict=True):
            right.plot(apart, curve("hard", margin), color=colour, label=f"margin {margin:g}")
        left.set(title="What is mined (margin 0.3)", ylabel="mean loss", ylim=(0, None))
        right.set(title="The margin, with the hardest triplets", ylim=(0, None))
        for axes in (left, right):
            axes.set(xlabel="distance between individuals / spread of one", xlim=(0, 3))
            axes.legend(fontsize=9)
        return as_png(figure)


def margin_softmax_figure() -> bytes:
    """What ArcFace and CosFace make of the angle to the right centre, and its slope."""
    angle = np.linspace(0.02, np.pi - 0.02, 400, dtype=np.float32)
    degrees = np.degrees(angle)
    with new_figure(10.6, 6.6, 2, 2) as (figure, panels):
        for column, (name, function, margins) in enumerate(
            (
                ("ArcFace: cos(θ + m)", arcface_cosine, (0.0, 0.25, 0.5, 1.0)),
                ("CosFace: cos θ − m", cosface_cosine, (0.0, 0.2, 0.35, 0.5)),
            )
        ):
            above, below = panels[column], panels[2 + column]
            for margin, colour in zip(margins, _MARGINS, strict=True):
                value, slope = _by_angle(function, margin, angle)
                beyond = (angle > np.pi - margin) & (column == 0)
                dashed = (0, (2, 1))
                label = f"m = {margin:g}" if margin else "no margin"
                for axes, curve in ((above, value), (below, np.abs(slope))):
                    axes.plot(degrees, np.where(beyond, np.nan, curve), color=colour, label=label)
                    axes.plot(degrees, np.where(beyond, curve, np.nan), color=colour, ls=dashed)
                if column == 0 and margin:
                    at = 180 - np.degrees(margin)
                    above.plot([at], [-1], marker="o", color=colour, markersize=5)
            above.set(title=name, ylabel="right logit / scale", ylim=(-2.05, 1.05))
            below.set(title="Slope by the angle", xlabel="angle θ to the right centre")
            below.set(ylabel="|d logit / d θ| / scale", ylim=(0, 1.35))
            for axes in (above, below):
                axes.set(xlim=(0, 180))
                axes.set_xticks(range(0, 181, 30), [f"{d}°" for d in range(0, 181, 30)])
            above.legend(fontsize=9, loc="lower left")
        panels[0].annotate(
            "dots: θ = π − m; beyond, dashed:\ncos θ − m sin m, so that it still falls",
            (0.985, 0.97),
            xycoords="axes fraction",
            ha="right",
            va="top",
            fontsize=9,
            color=MUTED,
        )
        panels[3].annotate("whatever the margin", (90, 1.03), ha="center", fontsize=9, color=MUTED)
        return as_png(figure)


def own_margins_figure() -> bytes:
    """The right logit by its angle: AdaFace by a photo's quality, ElasticFace's spread."""
    angle = np.linspace(0.02, np.pi - 0.02, 400, dtype=np.float32)
    degrees = np.degrees(angle)
    with new_figure(10.6, 3.7, 2) as (figure, (left, right)):
        for quality, colour in zip((-1.0, -0.3, 0.3, 1.0), _MARGINS, strict=True):

            def of(cosine: jax.Array, margin: float, quality: float = quality) -> jax.Array:
                return adaface_cosine(cosine, jnp.float32(quality), margin)

            value, _ = _by_angle(of, 0.4, angle)
            left.plot(degrees, value, color=colour, label=f"quality {quality:g}")
        for name, function, margin, colour in (
            ("Arc, m = 0.5", arcface_cosine, 0.5, NETWORK),
            ("Cos, m = 0.35", cosface_cosine, 0.35, OTHER),
        ):
            low, middle, high = (
                _by_angle(function, margin + by, angle)[0] for by in (-0.1, 0.0, 0.1)
            )
            right.plot(degrees, middle, color=colour, label=name)
            right.fill_between(degrees, low, high, color=colour, alpha=0.25, linewidth=0)
        left.set(title="AdaFace, m = 0.4", ylabel="right logit / scale")
        right.set(title="ElasticFace: 95% of margins, σ = 0.05")
        for axes in (left, right):
            axes.set(xlim=(0, 180), ylim=(-2.05, 1.05), xlabel="angle θ to the right centre")
            axes.set_xticks(range(0, 181, 30), [f"{d}°" for d in range(0, 181, 30)])
            axes.legend(fontsize=9, loc="lower left")
        return as_png(figure)


def proxy_anchor_figure() -> bytes:
    """Cost of a proxy with one photo by its cosine, and how two photos share its pull."""
    cosine = jnp.linspace(-0.999, 0.999, 401)
    proxy = jnp.array([[1.0, 0.0]])

    def photo(c: jax.Array) -> jax.Array:
        return jnp.stack([c, jnp.sqrt(1.0 - jnp.square(c))])

    def cost(label: int, scale: float) -> np.ndarray:
        def of(c: jax.Array) -> jax.Array:
            return proxy_anchor_loss(photo(c)[None], proxy, jnp.array([label]), scale=scale)[0]

        return np.asarray(jax.vmap(of)(cosine)) / scale

    def pull(scale: float) -> np.ndarray:
        def of(c: jax.Array) -> jax.Array:
            photos = jnp.stack([photo(c), photo(jnp.float32(0.3))])
            return proxy_anchor_loss(photos, proxy, jnp.array([0, 0]), scale=scale)[0]

        return -np.asarray(jax.vmap(jax.grad(of))(cosine)) / scale

    with new_figure(9.4, 3.7, 2) as (figure, (left, right)):
        for scale, colour in ((4.0, _MARGINS[0]), (8.0, _MARGINS[1]), (32.0, NETWORK)):
            left.plot(cosine, cost(0, scale), color=colour, label=f"its own, α = {scale:g}")
            right.plot(cosine, pull(scale), color=colour, label=f"α = {scale:g}")
        left.plot(cosine, cost(1, 32.0), color=OTHER, label="another's, α = 32")
        right.axvline(0.3, color=MUTED, ls=":", linewidth=1)
        left.set(title="Loss / α of a proxy with one photo", ylim=(0, None))
        right.set(title="Pull on a photo beside one at 0.3 (dotted)", ylim=(0, None))
        for axes in (left, right):
            axes.set(xlabel="cosine of photo and proxy", xlim=(-1, 1))
            axes.legend(fontsize=9)
        return as_png(figure)


def _by_angle(
    function: Callable[[jax.Array, float], jax.Array], margin: float, angle: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A logit as a function of the angle, and its slope, both (N,)."""

    def target(theta: jax.Array) -> jax.Array:
        return function(jnp.cos(theta), margin)

    value, slope = jax.vmap(jax.value_and_grad(target))(angle)
    return np.asarray(value), np.asarray(slope)


def softmax_boundary_figure() -> bytes:
    """Cross-entropy of two classes over the angles to their centres, without margin and with."""
    angle = np.linspace(1, 120, 90, dtype=np.float32)
    own, other = (grid.ravel() for grid in np.meshgrid(np.radians(angle), np.radians(angle)))
    # One embedding, and for each pair of angles two centres at these angles from it.
    turn = np.stack([np.cos(own), np.sin(own), 0 * own], 1)
    away = np.stack([np.cos(other), 0 * other, np.sin(other)], 1)
    centres = jnp.asarray(np.stack([turn, away], 1))
    settings = (
        ("plain softmax", "cosface", 0.0),
        ("ArcFace, m = 0.5", "arcface", 0.5),
        ("CosFace, m = 0.35", "cosface", 0.35),
    )
    with new_figure(11.2, 3.7, 3) as (figure, panels):
        for axes, (title, kind, margin) in zip(panels, settings, strict=True):

            def cost(centres: jax.Array, kind: Any = kind, margin: float = margin) -> jax.Array:
                embedding = jnp.array([[1.0, 0.0, 0.0]])
                label = jnp.zeros((1,), jnp.int32)
                return margin_softmax_loss(
                    embedding, centres, label, kind=kind, scale=16.0, margin=margin
                )[0]

            values = np.asarray(jax.jit(jax.vmap(cost))(centres)).reshape(len(angle), -1)
            _contours(figure, axes, angle, values, _teal())
            axes.contour(angle, angle, values, [np.log(2)], colors=[OTHER], linewidths=2)
            axes.plot([0, 120], [0, 120], color=INK, ls=(0, (4, 3)), linewidth=1.0)
            axes.set(title=title, xlim=(0, 120), ylim=(0, 120), xlabel="angle to the right centre")
            axes.set_aspect("equal")
            axes.grid(visible=False)
            for ticks in (axes.set_xticks, axes.set_yticks):
                ticks(range(0, 121, 30), [f"{d}°" for d in range(0, 121, 30)])
        panels[0].set_ylabel("angle to the other centre")
        return as_png(figure)


def sub_center_figure() -> bytes:
    """The loss around a circle where a class has one centre, and where it has three."""
    angle = np.linspace(-180, 180, 721, dtype=np.float32)
    radians = np.radians(angle)
    points = jnp.asarray(np.stack([np.cos(radians), np.sin(radians)], 1))
    own = (-60, 0, 75)
    other = 180

    def directions(degrees: Sequence[float]) -> np.ndarray:
        turned = np.radians(np.asarray(degrees, np.float32))
        return np.stack([np.cos(turned), np.sin(turned)], 1)

    one = jnp.asarray(np.stack([directions([0]), directions([other])]))
    three = jnp.asarray(np.stack([directions(own), directions([other] * 3)]))
    with new_figure(9.4, 3.7, 2) as (figure, panels):
        for axes, margin in zip(panels, (0.0, 0.5), strict=True):
            for name, centres, colour in (("one centre", one, OTHER), ("three", three, NETWORK)):

                def cost(
                    point: jax.Array, centres: jax.Array = centres, margin: float = margin
                ) -> jax.Array:
                    label = jnp.zeros((1,), jnp.int32)
                    return margin_softmax_loss(
                        point[None], centres, label, scale=16.0, margin=margin
                    )[0]

                axes.plot(angle, jax.vmap(cost)(points), color=colour, label=name)
            for place in own:
                axes.axvline(place, color=NETWORK, ls=":", linewidth=1)
            axes.axvline(0, color=OTHER, ls=":", linewidth=1)
            title = f"Sub-centre ArcFace, m = {margin:g}" if margin else "Sub-centres, no margin"
            axes.set(title=title, xlim=(-180, 180), ylim=(0, None), xlabel="angle of the embedding")
            axes.set_xticks(range(-180, 181, 60), [f"{d}°" for d in range(-180, 181, 60)])
            axes.legend(fontsize=9, loc="upper center", title="centres of the class", **_BOXED)
        panels[0].set_ylabel("loss (scale 16; other class at 180°)")
        return as_png(figure)


_TRIPLES = {
    "triplet": "Triplet: the hinge is flat where the negative is far enough; soft never is",
    "n_pair": "N-pair: dot products, so that the embeddings' length is the sharpness",
    "angular": "Angular: the negative's angle in the triangle, and not its size",
    "multi_similarity": "Multi-similarity: no cost where mining drops both pairs",
    "circle": "Circle: the farther a pair is from its goal, the harder it is pulled or pushed",
    "supervised_contrastive": "Supervised contrastive: what the temperature calls near",
}


def draw_losses(folder: Path) -> list[tuple[str, str]]:
    """Writes a PNG a family of objectives and an index of them; returns (file, what it shows)."""
    check_destinations(folder=folder)
    figures: dict[str, tuple[str, Callable[[], bytes]]] = {
        "contrastive": ("Contrastive: where a different pair stops to cost", contrastive_figure),
        "mining": ("Triplet: what mining and margin do to a batch", mining_figure),
        "margin_softmax": ("ArcFace and CosFace: the right logit by margin", margin_softmax_figure),
        "softmax_boundary": (
            "Margin softmax of two classes; amber: the loss is log 2, a draw",
            softmax_boundary_figure,
        ),
        "sub_center": ("Sub-centre ArcFace: a class of three centres", sub_center_figure),
        "own_margins": (
            "AdaFace and ElasticFace: margins that are each photo's own",
            own_margins_figure,
        ),
        "proxy_anchor": ("Proxy-Anchor: a proxy looks at the hardest photos", proxy_anchor_figure),
    }
    for name, landscapes in families().items():
        figures[name] = (_TRIPLES[name], functools.partial(landscape_figure, landscapes))
    shown = []
    for name, (words, draw) in counting(figures.items(), "drawing objectives", "pictures"):
        with atomic_write(folder / f"{name}.png") as file:
            file.write(draw())
        shown.append((f"{name}.png", words))
    links = [[f"[{file}]({file})", words] for file, words in shown]
    lines = [
        "# Objectives\n",
        "Distances are between embeddings of length 1 (N-pair: times their length). In a triple "
        "two photos of one individual are equally far from one of another. Dashed: the positive is "
        "as far as the negative. Grey: no three points have these distances.\n",
        Table(["picture", "shows"], links, "ll").as_markdown(),
        *(f"\n![{words}]({file})" for file, words in shown),
    ]
    write_text(folder / "index.md", "\n".join(lines) + "\n")
    return shown
