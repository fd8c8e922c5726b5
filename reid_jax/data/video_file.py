"""Frames of a video file, decoded by PyAV (FFmpeg's libraries, `pip install 'reid-jax[video]'`)."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.data.frames import Frame, Size
from reid_jax.errors import UserError

_SHORTFALL = 0.5  # seconds that a file may lack at its end without being called cut off
_USUAL_RATE = 25.0  # of a stream that says nothing


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
