"""Pictures of keyframes: a sheet of them, and the scores over time."""

from collections.abc import Sequence

import numpy as np

from reid_jax.console import clock
from reid_jax.reporting.figures import INK, LINE, MUTED, NETWORK, OTHER, as_png, new_figure

THUMBNAIL = 320  # width on a sheet of a few pictures, in pixels
_SMALL = 200  # and of many
_MARGIN, _GAP, _TEXT, _TITLE = 24, 14, 22, 46
_MOST_COLUMNS = 10
_DENSE = 600  # frames or scenes in the plot that run into each other
_LABELLED = 40  # keyframes that have their number in the plot


def thumbnail_width(number: int) -> int:
    """Of each picture on a sheet of `number`."""
    return THUMBNAIL if number <= 36 else _SMALL


def contact_sheet(
    pictures: Sequence[np.ndarray], captions: Sequence[str], title: str
) -> np.ndarray:
    """uint8 (H, W, 3): pictures (h, w, 3) of one width in rows, a caption below each."""
    from PIL import Image, ImageDraw, ImageFont

    across = min(_MOST_COLUMNS, max(3, int(np.ceil(np.sqrt(len(pictures))))))
    columns = min(across, len(pictures))
    width = max(picture.shape[1] for picture in pictures)
    height = max(picture.shape[0] for picture in pictures)
    rows = -(-len(pictures) // columns)
    size = (
        2 * _MARGIN + columns * width + (columns - 1) * _GAP,
        2 * _MARGIN + _TITLE + rows * (height + _TEXT + _GAP) - _GAP,
    )
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    text = shortened_to(title, ImageFont.load_default(22), size[0] - 2 * _MARGIN)
    draw.text((_MARGIN, _MARGIN - 4), text, INK, ImageFont.load_default(22))
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(i, columns)
        left = _MARGIN + column * (width + _GAP)
        top = _MARGIN + _TITLE + row * (height + _TEXT + _GAP)
        sheet.paste(Image.fromarray(picture), (left, top))
        draw.text((left, top + picture.shape[0] + 4), caption, MUTED, ImageFont.load_default(14))
    return np.asarray(sheet)


def shortened_to(text: str, font: object, width: int) -> str:
    """The beginning of a text that would be wider than `width` pixels."""
    if font.getlength(text) <= width:  # type: ignore[attr-defined]
        return text
    while text and font.getlength(text + "…") > width:  # type: ignore[attr-defined]
        text = text[:-1]
    return text + "…"


def timeline(
    times: np.ndarray,
    scores: np.ndarray,
    scenes: np.ndarray,
    chosen: np.ndarray,
    clip: np.ndarray,
    title: str,
) -> bytes:
    """A PNG of the scores over time, keyframes marked, scenes as bands, the clip as a bar below.

    Of more than 600 scenes the bands are left out.

    Args:
      times, scores: (P,), of the frames that were scored, in seconds.
      scenes: (S, 2) start and end of each, in seconds.
      chosen: (K,) indices into them.
      clip: (C, 2) start and end of each part of the summary video, in seconds; may be empty.
    """
    from matplotlib.ticker import MultipleLocator

    with new_figure(11.0, 3.4) as (figure, axes):
        crowded = len(times) > _DENSE
        for start, end in scenes[1::2] if len(scenes) <= _DENSE else ():
            axes.axvspan(start, end, color=LINE, alpha=0.45, linewidth=0)
        alone = len(times) == 1
        axes.plot(
            times,
            scores,
            color=NETWORK,
            linewidth=0.6 if crowded else 1.4,
            marker="o" if alone else None,
        )
        axes.plot(
            times[chosen],
            scores[chosen],
            "o",
            color=OTHER,
            markersize=3 if crowded else 5.5,
            label="keyframe",
        )
        low, high = float(scores.min()), float(scores.max())
        room = max(high - low, 0.02)
        bottom, top = low - 0.22 * room, high + 0.22 * room
        if len(chosen) <= _LABELLED:
            for number, i in enumerate(chosen, 1):
                axes.annotate(
                    str(number),
                    (times[i], scores[i]),
                    (0, 6),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8,
                    color=MUTED,
                )
        for i, (start, end) in enumerate(clip):
            label = "in the summary video" if i == 0 else None
            axes.plot(
                [start, end],
                [bottom + 0.06 * room] * 2,
                color=OTHER,
                linewidth=5,
                solid_capstyle="butt",
                alpha=0.7,
                label=label,
            )
        end = max(float(scenes[-1, 1]), 1e-3)
        axes.set(xlim=(0 if not alone else -0.5 * end, end), ylim=(bottom, top), ylabel="score")
        axes.xaxis.set_major_locator(MultipleLocator(_tick(end)))
        axes.xaxis.set_major_formatter(lambda value, _: clock(value).removesuffix(".0"))
        axes.grid(visible=False, axis="x")
        axes.set_title(title, parse_math=False)  # a file's name is no formula
        axes.legend(fontsize=9, loc="upper right", ncols=2, bbox_to_anchor=(1.0, 1.16))
        return as_png(figure)


def _tick(seconds: float) -> float:
    """A step in seconds that makes about ten round times."""
    steps = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    return next((step for step in steps if seconds / step <= 12), 7200)
