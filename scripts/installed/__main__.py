"""Fits anew what is installed with the package: python -m scripts.installed --tvsum TVSUM."""

from pathlib import Path

from reid_jax.commands import terminal
from reid_jax.compilations import keep_compilations
from reid_jax.data.videos.features import load_video_features
from reid_jax.files import write_arrays
from reid_jax.keyframes import installed as keyframes
from scripts.installed import fit

ROOT = Path(__file__).resolve().parents[2]


def main(tvsum: Path, runs: tuple[Path, ...] = ()) -> None:
    """Writes what lies installed beside the questions.

    Args:
        tvsum: Folder with TVSum's tvsum.h5.
        runs: Folders of runs of configs/tvsum.py, one a fold, the median of whose choices is taken;
            without them, a choice is made anew, which takes a minute.
    """
    keep_compilations()
    choice = fit.choices_of(runs)[-1] if runs else None
    scorer = fit.fit_scorer(load_video_features(tvsum / "tvsum.h5"), choice)
    write_arrays(ROOT / "reid_jax" / "keyframes" / keyframes.FILE, keyframes.kept_arrays(scorer))


if __name__ == "__main__":
    terminal.run(main)
