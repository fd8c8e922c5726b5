"""The command that compares networks on a person's own data."""

from pathlib import Path
from typing import Literal


def report_architectures(
    data: str,
    out: Path,
    minutes: float = 60.0,
    clips: bool = False,
    split: Literal["identity", "photo", "date", "open", "given"] = "identity",
    image_size: int = 96,
    splits: Path | None = None,
) -> None:
    """Trains candidates with one budget, measures them, and says which network to take where.

    Backbones, heads and losses for photos; scorers of frames, or with --clips encoders of clips,
    for an H5 file of videos. Half of the candidates go on, twice as long, until three are left,
    which are trained with three seeds. The same command goes on where it stopped.

    Args:
        data: A source of photos (folder:PATH, csv:PATH, ...), or an H5 file of videos.
        out: Folder of the runs and of the report; what was begun in it is gone on with.
        minutes: For all trainings; measuring comes on top.
        clips: Of videos, compare clips instead of scoring frames.
        split: Of photos, what is held out.
        image_size: Of photos, the side at which they are trained on.
        splits: Of videos, a JSON list of folds; the first is taken.
    """
    from reid_jax.architectures.choice.search import compare_architectures
    from reid_jax.errors import UserError

    videos = data.endswith((".h5", ".hdf5"))
    if splits is not None and not videos:
        raise UserError("--splits is for videos; photos are divided by --split.")
    if image_size <= 0:
        raise UserError(f"--image-size is {image_size}; it must be above 0.")
    of_videos = {} if splits is None else {"data.splits": splits.absolute().as_posix()}
    of_photos = {"data.split": split, "data.image_size": image_size}
    named = f"{data.partition(':')[0]}:..." if ":" in data else Path(data).name
    asked = f"--data {named} --minutes {minutes:g}" + (" --clips" if clips else "")
    asked += "" if videos else f" --split {split} --image-size {image_size}"
    compare_architectures(
        data,
        minutes,
        out,
        clips=clips,
        command=f"reid-jax report architectures {asked} --out FOLDER",
        changes=of_videos if videos else of_photos,
    )
