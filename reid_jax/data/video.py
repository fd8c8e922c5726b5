"""Frames of video files and of folders of pictures, one at a time, with their index and time.

    video = open_video(path)
    for frame in video.frames_at(indices_at_rate(video.times, 2.0)):
        frame.draw((224, 224))

Decoding needs PyAV (FFmpeg's libraries, `pip install 'reid-jax[video]'`). Times come from the file
and not from a frame rate, so a variable rate is nothing special. A frame's pixels are converted
when they are asked for, and only at the size asked for; nothing keeps a frame that was handed out.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reid_jax.data.images import EXTENSIONS as PICTURES
from reid_jax.data.video_features import natural_order
from reid_jax.errors import UserError

EXTENSIONS = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".flv", ".3gp", ".ogv", ".ogg", ".vob", ".y4m"),
)
_SHORTFALL = 0.5  # seconds that a file may lack at its end without being called cut off
_USUAL_RATE = 25.0  # of a stream that says nothing

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame.

    Attributes:
      index: its place in the order of presentation, from 0.
      time: seconds after the first frame.
      draw: (width, height) -> uint8 (height, width, 3), upright; None for its own size.
    """

    index: int
    time: float
    draw: Callable[[Size | None], np.ndarray]


class Video(Protocol):
    """What can be read frame by frame.

    Attributes:
      path: the file or folder.
      times: float64 (N,), seconds of every frame after the first, increasing.
    """

    path: Path
    times: np.ndarray

    @property
    def problem(self) -> str:
        """What was found wrong so far, as half a sentence, or nothing."""

    def frames(self) -> Iterator[Frame]:
        """All frames that can be decoded, in order."""

    def frames_at(self, indices: Sequence[int] | np.ndarray) -> Iterator[Frame]:
        """The frames at `indices`, in increasing order, each once.

        For one that cannot be decoded comes the next that can, if any, under its own index.
        """


def open_video(path: Path, folder_rate: float = 2.0) -> Video:
    """A video file, or a folder of pictures that were taken `folder_rate` times a second.

    Raises:
      UserError: for what has no frames, with the reason.
    """
    if path.is_dir():
        return PictureFolder(path, folder_rate)
    return VideoFile(path)


def find_videos(paths: Sequence[Path]) -> list[Path]:
    """Files as they are; folders of pictures; of other folders the videos and such folders in them.

    Raises:
      UserError: for a folder with neither.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir() or _pictures(path):
            found.append(path)
            continue
        inside = [
            entry
            for entry in sorted(path.iterdir(), key=_natural)
            if (entry.is_dir() and _pictures(entry)) or _is_video_name(entry)
        ]
        if not inside:
            raise UserError(f"{path} holds no videos ({', '.join(EXTENSIONS[:4])}, ...).")
        found += inside
    return found


def indices_at_rate(times: np.ndarray, rate: float) -> np.ndarray:
    """int64 indices of the frames nearest to 0, 1 / rate, 2 / rate, ... seconds, each once.

    Args:
      times: float64 (N,), increasing from 0.
      rate: a second; above the video's own every frame is taken.
    """
    wanted = np.arange(int(np.floor(times[-1] * rate + 1e-6)) + 1) / rate
    after = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(wanted - times[before] < times[after] - wanted, before, after)
    return np.unique(nearest)


def uniform_indices(number: int, count: int) -> np.ndarray:
    """int64 indices of the middles of `count` equal parts of `number` frames, each once."""
    return np.unique((np.arange(count) * 2 + 1) * number // (2 * count))


class VideoFile:
    """A video file; see `Video`. Opening it reads it once without decoding, for the times.

    Raises:
      UserError: for a file that is missing, empty, not a video, cut off before its index, or
        without pictures.
    """

    def __init__(self, path: Path):
        self.path = path
        self._pts: np.ndarray | None = None
        self._keyframes = np.zeros(1, np.int64)
        self._seeks = True
        self._ends_early = ""
        self._undecoded = 0
        with self._open() as container:
            self._read_times(container)

    @property
    def problem(self) -> str:
        lost = f"{self._undecoded} of {len(self.times)} frames could not be decoded"
        return "; ".join(filter(None, [self._ends_early, lost if self._undecoded else ""]))

    def frames(self) -> Iterator[Frame]:
        count = 0
        with self._open() as container:
            for decoded, index in self._indexed(container):
                count += 1
                yield self._frame(decoded, index)
                del decoded
        self._undecoded = max(0, len(self.times) - count)
        if count == 0:
            raise UserError(f"{self.path} has {len(self.times)} frames, none can be decoded.")

    def frames_at(self, indices: Sequence[int] | np.ndarray) -> Iterator[Frame]:
        wanted = np.unique(np.asarray(indices, np.int64))
        if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < len(self.times):
            raise IndexError(f"{self.path} has frames 0 to {len(self.times) - 1}")
        last = -1  # index of the frame handed out
        with ExitStack() as opened:
            container = opened.enter_context(self._open())
            at, decoder = -1, self._indexed(container)
            for index in wanted.tolist():
                if index <= last:
                    continue
                key = int(self._keyframes[np.searchsorted(self._keyframes, index, "right") - 1])
                if self._pts is not None and self._seeks and key > at + 1:
                    stream = container.streams[self._stream]
                    container.seek(int(self._pts[key]), stream=stream)
                    decoder, sought = self._indexed(container), True
                else:
                    sought = False
                decoded, at = self._forward(decoder, index)
                if sought and (decoded is None or at > index):
                    # The container's index is wrong, or the frame is damaged: the long way.
                    self._seeks = False
                    container = opened.enter_context(self._open())
                    decoder = self._indexed(container)
                    decoded, at = self._forward(decoder, index)
                if decoded is None:
                    return
                last = at
                yield self._frame(decoded, at)
                del decoded

    def _open(self) -> Any:
        try:
            import av
        except ImportError:
            raise UserError("Reading videos needs PyAV: pip install 'reid-jax[video]'.") from None
        path = self.path
        if not path.is_file():
            raise UserError(f"{path} does not exist.")
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty (0 bytes).")
        try:
            # A playlist must not make FFmpeg fetch anything.
            container = av.open(str(path.resolve()), options={"protocol_whitelist": "file"})
        except (av.FFmpegError, OSError, ValueError) as error:
            raise UserError(f"{path} cannot be used as a video: {_reason(path, error)}.") from None
        pictures = [s for s in container.streams.video if not _is_cover(s)]
        if not pictures:
            sound = len(container.streams.audio) > 0
            container.close()
            if not sound:
                raise UserError(f"{path} cannot be used as a video: {_reason(path, '')}.")
            raise UserError(f"{path} has sound but no pictures, so it is no video.")
        pictures[0].thread_type = "AUTO"
        self._stream = pictures[0].index
        return container

    def _read_times(self, container: Any) -> None:
        import av

        stream = container.streams[self._stream]
        stamps: list[tuple[int | None, bool]] = []
        ends = 0.0  # of the pictures or the sound, whichever is longer
        try:
            for packet in container.demux():
                if packet.pts is not None:
                    length = packet.duration or 0
                    ends = max(ends, float((packet.pts + length) * packet.time_base))
                if packet.stream is stream and packet.size and not packet.is_discard:
                    stamps.append((packet.pts, packet.is_keyframe))
        except av.FFmpegError:
            self._ends_early = "the file is damaged towards its end"
        if not stamps:
            raise UserError(f"{self.path} has no frames: its length is zero.")
        self._aspect = float(stream.sample_aspect_ratio or 1)
        rate = stream.guessed_rate or stream.average_rate
        gap = 1 / float(rate) if rate else 1 / _USUAL_RATE
        if any(pts is None for pts, _ in stamps):
            self.times = np.arange(len(stamps)) * gap
            self._seeks = False
        else:
            pts = np.array([pts for pts, _ in stamps], np.int64)
            self._pts = np.unique(pts)
            keys = pts[[key for _, key in stamps]]
            self._keyframes = np.unique(np.append(np.searchsorted(self._pts, keys), 0))
            self.times = (self._pts - self._pts[0]) * float(stream.time_base)
        promised = ((container.duration or 0) + (container.start_time or 0)) / av.time_base
        if stream.frames > len(stamps):
            self._ends_early = f"cut off: {len(stamps)} of {stream.frames} frames are there"
        elif self._seeks and promised - ends > _SHORTFALL:
            self._ends_early = f"cut off: {ends:.1f} of {promised:.1f} seconds are there"

    def _indexed(self, container: Any) -> Iterator[tuple[Any, int]]:
        """Intact frames with their index, from where the container stands."""
        for number, decoded in enumerate(self._decode(container)):
            if not decoded.is_corrupt:
                yield decoded, self._index(decoded, number)
            del decoded

    @staticmethod
    def _forward(decoder: Iterator[tuple[Any, int]], index: int) -> tuple[Any, int]:
        """The first frame at `index` or after; None and the end where there is none."""
        at = -1
        for decoded, at in decoder:
            if at >= index:
                return decoded, at
            del decoded
        return None, at

    def _decode(self, container: Any) -> Iterator[Any]:
        import av

        stream = container.streams[self._stream]
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:  # the file ends in the middle
                packet = None
            try:
                decoded = stream.codec_context.decode(packet)
            except av.FFmpegError:
                decoded = []
            while decoded:
                yield decoded.pop(0)
            if packet is None:
                return

    def _index(self, decoded: Any, number: int) -> int:
        """The rank of a frame's time stamp; without stamps, of the frame."""
        if self._pts is None or decoded.pts is None:
            return min(number, len(self.times) - 1)
        return int(min(np.searchsorted(self._pts, decoded.pts), len(self._pts) - 1))

    def _frame(self, decoded: Any, index: int) -> Frame:
        def draw(size: Size | None) -> np.ndarray:
            return _upright(decoded, size, self._aspect)

        return Frame(index, float(self.times[index]), draw)


class PictureFolder:
    """A folder of pictures in the order of their names; see `Video`.

    Raises:
      UserError: for a folder without pictures.
    """

    def __init__(self, path: Path, rate: float):
        self.path = path
        self._files = _pictures(path)
        if not self._files:
            raise UserError(f"{path} holds no pictures.")
        self.times = np.arange(len(self._files)) / rate
        self._bad: set[str] = set()

    @property
    def problem(self) -> str:
        if not self._bad:
            return ""
        return f"{len(self._bad)} of {len(self._files)} pictures cannot be read ({min(self._bad)})"

    def frames(self) -> Iterator[Frame]:
        yield from self.frames_at(np.arange(len(self._files)))
        if len(self._bad) == len(self._files):
            raise UserError(f"{self.path} has {len(self._files)} pictures, none can be read.")

    def frames_at(self, indices: Sequence[int] | np.ndarray) -> Iterator[Frame]:
        last = -1
        for wanted in np.unique(np.asarray(indices, np.int64)).tolist():
            for index in range(wanted, len(self._files) if wanted > last else 0):
                picture = self._read(self._files[index])
                if picture is not None:
                    last = index
                    yield Frame(index, float(self.times[index]), picture)
                    break

    def _read(self, file: Path) -> Callable[[Size | None], np.ndarray] | None:
        from PIL import Image, ImageOps

        try:
            with Image.open(file) as image:
                upright = ImageOps.exif_transpose(image).convert("RGB")
        except Exception:
            self._bad.add(file.name)
            return None

        def draw(size: Size | None) -> np.ndarray:
            shown = upright if size is None else upright.resize(size, Image.Resampling.BILINEAR)
            return np.asarray(shown)

        return draw


def _upright(decoded: Any, size: Size | None, aspect: float) -> np.ndarray:
    """uint8 (H, W, 3): turned as the file says, pixels square."""
    turns = round(decoded.rotation / 90) % 4
    if size is None:
        width, height = max(1, round(decoded.width * aspect)), decoded.height
    else:
        width, height = size[::-1] if turns % 2 else size
    # Bilinear as for photos: FFmpeg widens the filter too when it shrinks.
    scaled = decoded.reformat(width, height, "rgb24", interpolation="BILINEAR")
    return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), turns))


def _reason(path: Path, error: Exception | str) -> str:
    with path.open("rb") as file:
        start = file.read(12)
    if start[4:8] == b"ftyp":
        return "the file is cut off or damaged, its index is missing"
    reason = str(getattr(error, "strerror", "") or error).strip().rstrip(".")
    if reason.startswith("Invalid data"):
        return "it is none, or of a format that FFmpeg does not know"
    if reason == "End of file":
        return "it ends before its first frame"
    return reason or "there is nothing in it"


def _is_cover(stream: Any) -> bool:
    """The picture on the sleeve of a piece of music."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _pictures(folder: Path) -> list[Path]:
    names = (entry for entry in folder.iterdir() if entry.suffix.lower() in PICTURES)
    return sorted((entry for entry in names if not entry.name.startswith(".")), key=_natural)


def _is_video_name(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def _natural(path: Path) -> tuple[Any, ...]:
    return natural_order(path.name)
