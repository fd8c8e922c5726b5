"""Fits anew what is installed with the package, and judges it: python -m scripts.installed."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from reid_jax.commands import terminal
from reid_jax.compilations import keep_compilations
from reid_jax.data.videos.features import load_video_features
from reid_jax.files import write_arrays, write_text
from reid_jax.keyframes import installed as keyframes
from reid_jax.plan.measure import device_name
from reid_jax.reporting.plain_json import plain_json
from reid_jax.same_video import whitening
from reid_jax.same_video.verdict import FILE as CALIBRATION
from scripts.installed import fit
from scripts.installed.calibrate import calibration, domain_scores, left_out
from scripts.installed.domains import load_domain, make_domain

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "python -m scripts.installed --tvsum TVSUM --films FILMS"


def main(
    tvsum: Path,
    films: Path | None = None,
    domains: Path = Path("domains"),
    runs: tuple[Path, ...] = (),
) -> None:
    """Writes what lies installed beside the questions, and how good it is into scripts/results.

    The scorer and the whitening are judged in five folds, each fitted on the training videos and
    judged on the others; what is installed is fitted on all videos.

    Args:
        tvsum: Folder with TVSum's tvsum.h5, splits.json and frames/.
        films: Folder of the free test films that scripts/installed/domains.py names; without it,
            the thresholds of the verdict on two clips stay as they are.
        domains: Folder for the features of films of several domains, made where they are missing.
        runs: Folders of runs of configs/tvsum.py, one a fold, whose choices are taken; without
            them, these are made anew, which takes minutes.
    """
    keep_compilations()
    file = ROOT / "scripts" / "results" / "installed.json"
    judged: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    judged |= {"device": device_name(), "date": date.today().isoformat(), "command": COMMAND}
    judged |= _fit(tvsum, fit.choices_of(runs) if runs else [])
    if films is not None:
        judged["verdict"] = _calibrate({"drawn": Path(), "films": films, "tvsum": tvsum}, domains)
    write_text(file, plain_json(judged))


def _fit(tvsum: Path, choices: list[fit.Choice]) -> dict[str, Any]:
    videos = load_video_features(tvsum / "tvsum.h5")
    package = ROOT / "reid_jax"
    scorer = keyframes.kept_arrays(fit.fit_scorer(videos, choices[-1] if choices else None))
    write_arrays(package / "keyframes" / keyframes.FILE, scorer)
    write_arrays(package / "same_video" / whitening.FILE, fit.whitening(videos))
    return {
        "videos": len(videos),
        "keyframes": fit.over_folds(tvsum, fit.fit_scorer, fit.judge_scorer, choices),
        "same_video": fit.over_folds(tvsum, fit.whitening, fit.judge_whitening),
    }


def _calibrate(sources: dict[str, Path], domains: Path) -> dict[str, Any]:
    scores = {}
    for name, source in sources.items():
        kept = domains / f"{name}.npz"
        if not kept.is_file():
            make_domain(name, kept, source)
        scores[name] = domain_scores(load_domain(kept), whitening.installed_whitening())
    package = ROOT / "reid_jax" / "same_video"
    write_text(package / CALIBRATION, plain_json(calibration(scores)))
    return left_out(scores)


if __name__ == "__main__":
    terminal.run(main)
