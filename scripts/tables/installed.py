"""Tables of what is installed with the package: beside trained runs, and how often it errs."""

from collections.abc import Mapping
from statistics import mean
from typing import Any

from reid_jax.keyframes.glossary import MEASURES as KEYFRAMES
from reid_jax.reporting.measure import OURS
from reid_jax.reporting.table import Table
from reid_jax.same_video.run import CHAMFER


def installed_tables(result: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, str]:
    """By name: the scorer and the whitening beside runs, and the verdict of domains left out.

    Args:
      result: installed.json.
      found: other result files by name.
    """
    measured = f"{result['device']}: measured {result['date']} by `{result['command']}`."
    rendered = {}
    if "keyframes" in result and "keyframes" in found:
        names = list(result["keyframes"])
        rows = [["installed:keyframes", *(f"{mean(result['keyframes'][n]):.3f}" for n in names)]]
        rows += [
            [f"a run of `tvsum`: {row}" if row == OURS else row]
            + [f"{found['keyframes']['rows'][row][name]:.3f}" for name in names]
            for row in (OURS, "ridge regression", "centre of the video")
        ]
        head = ["scores by", *(KEYFRAMES[name].name for name in names)]
        rendered["installed_keyframes"] = f"{Table(head, rows).as_markdown()}\n\n{measured}"
    if "same_video" in result and "video_pairs" in found:
        names = list(result["same_video"])
        rows = [["installed:same-video", *(f"{mean(result['same_video'][n]):.3f}" for n in names)]]
        rows += [
            [f"a run of `video_similarity`: {row}"]
            + [f"{mean(found['video_pairs']['rows'][row][name]):.3f}" for name in names]
            for row in (OURS, CHAMFER)
        ]
        text = Table(["similarity by", *names], rows).as_markdown()
        rendered["installed_pairs"] = f"{text}\n\n{measured}"
    if "verdict" in result:
        head = ["left out", "different pairs", "called the same", "copies", "called the same"]
        rows = []
        for name, each in result["verdict"].items():
            different, copies = (f"{number:,}" for number in each["pairs"])
            shares = (f"{each[key]:.1%}" for key in ("false_alarms", "found", "missed", "unsure"))
            false_alarms, *others = shares
            rows.append([name, different, false_alarms, copies, *others])
        text = Table([*head, "called different", "unsure, of all"], rows).as_markdown()
        rendered["installed_verdict"] = f"{text}\n\n{measured}"
    return rendered
