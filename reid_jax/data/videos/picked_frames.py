"""The frames of films that an H5 file of features has looked at, as JPEG files, written once."""

import shutil
import uuid
from pathlib import Path

import numpy as np

from reid_jax.console import Bar, counted, say
from reid_jax.data.names import composed
from reid_jax.data.videos.features import VideoFeatures, load_video_features
from reid_jax.data.videos.frame_folders import picked_name
from reid_jax.data.videos.frames import Video
from reid_jax.data.videos.named import name_of, named_videos
from reid_jax.data.videos.open import open_video
from reid_jax.errors import UserError, missing

_SIDE = 256  # pixels of the shorter side
_ROUNDING = 2  # frames that two ways of counting them may differ by
_QUALITY = 90


def keep_picked_frames(features: Path, films: Path, folder: Path) -> None:
    """Writes the frames at `picks` of each video into a folder of its key, where there is none yet.

    A film is found by the video's key, by the group's `video_name` or `video_id`, whatever its
    ending; else it is the only film with as many frames. Of a film of another length (another
    copy, at another rate) the frames are those at the same share of its length.

    Args:
      features: H5 file in the layout of the eccv16_dataset files.
      films: folder with the films.

    Raises:
      UserError: a video has no film there, or one cannot be read.
    """
    lacking = [v for v in load_video_features(features) if not (folder / v.key).is_dir()]
    if not lacking:
        return
    found = _find(features, films, lacking)
    bar = Bar("Frames of films", len(lacking), "films")
    for number, video in enumerate(lacking, 1):
        _write(video, open_video(found[video.key], 1.0), folder)
        bar.update(number)
    bar.close()


def _find(features: Path, films: Path, videos: list[VideoFeatures]) -> dict[str, Path]:
    by_name = {name_of(path).casefold(): path for path in named_videos([films])}
    names = _names(features)
    found = {}
    for video in videos:
        known = [by_name[name] for name in names[video.key] if name in by_name]
        if known:
            found[video.key] = known[0]
    left = [path for path in by_name.values() if path not in found.values()]
    unnamed = [video for video in videos if video.key not in found]
    if unnamed and left:
        say(f"{counted(len(unnamed), 'video')} of {features.name} found by length, not by name")
        lengths = {path: len(open_video(path, 1.0).times) for path in left}
        for video in unnamed:
            fits = [path for path, n in lengths.items() if abs(n - video.n_frames) <= _ROUNDING]
            rivals = [v for v in unnamed if abs(v.n_frames - video.n_frames) <= _ROUNDING]
            if len(fits) == len(rivals) == 1:
                found[video.key] = fits[0]
    if absent := [video.key for video in videos if video.key not in found]:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise UserError(
            f"{films} has no film of {absent[0]}{more} in {features}: name films as its groups, "
            "or as their video_name says."
        )
    return found


def _names(features: Path) -> dict[str, list[str]]:
    """What a film of each group may be called."""
    try:
        import h5py
    except ImportError as error:
        raise missing("Reading H5", "h5py", "video") from error
    names = {}
    with h5py.File(features, "r") as file:
        for key, group in file.items():
            own = [key]
            for field in ("video_name", "video_id"):
                if hasattr(group, "keys") and field in group:
                    own.append(group[field].asstr()[()])
            names[key] = [composed(name).casefold() for name in own]
    return names


def _write(video: VideoFeatures, film: Video, folder: Path) -> None:
    from PIL import Image

    number = len(film.times)
    wanted = video.picks
    if abs(number - video.n_frames) > _ROUNDING:
        say(f"{film.path} has {number:,} frames, {video.key} {video.n_frames:,}: by their share")
        wanted = wanted * number // video.n_frames
    wanted = np.minimum(wanted, number - 1)
    names: dict[int, list[int]] = {int(frame): [] for frame in wanted}
    for frame, pick in zip(wanted, video.picks, strict=True):
        names[int(frame)].append(int(pick))
    place = folder / f".{uuid.uuid4().hex[:12]}"
    place.mkdir(parents=True)
    try:
        for shown in film.frames_at(np.unique(wanted)):
            image = Image.fromarray(shown.draw(None))
            shrink = max(1.0, min(image.size) / _SIDE)
            image = image.resize((round(image.width / shrink), round(image.height / shrink)))
            for pick in names[shown.index]:
                image.save(place / picked_name(pick), quality=_QUALITY)
        place.rename(folder / video.key)
    finally:
        shutil.rmtree(place, ignore_errors=True)
