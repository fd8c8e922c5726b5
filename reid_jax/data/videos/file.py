"""Frames of a video file, decoded by PyAV (FFmpeg's libraries, `pip install 'reid-jax[video]'`)."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import counted
from reid_jax.data.videos.behind import frames_behind
from reid_jax.data.videos.frames import Frame, Size
from reid_jax.data.videos.time_stamps import Stamps, in_order
from reid_jax.errors import UserError, missing

_SHORTFALL = 0.5  # seconds that a file may lack at its end without being called cut off
_BEHIND, _BEHIND_BYTES = 0.25, 1 << 16  # of a file, which an index may take behind the frames
_USUAL_RATE = 25.0  # of a stream that says nothing


class VideoFile:
    """A video file; see `Video`. Opening it reads it once without decoding, for the times.

    Raises:
      UserError: for a file that is missing, empty, not a video, cut off before its index, or
        without pictures.
    """

    def __init__(self, path: Path):
        self.path = path
        self._stamps: Stamps | None = None
        self._seeks = True
        self._remarks: list[str] = []
        self._undecoded = 0
        with self._open() as container:
            self._read_times(container)

    @property
    def problem(self) -> str:
        lost = f"{self._undecoded} of {len(self.times)} frames could not be decoded"
        return "; ".join([*self._remarks, *([lost] if self._undecoded else [])])

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
                key = self._key_before(index)
                sought = key is not None and key[0] > at + 1
                if key is not None and sought:
                    container.seek(key[1], stream=container.streams[self._stream])
                    decoder = self._indexed(container)
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

    def _key_before(self, index: int) -> tuple[int, int] | None:
        """Index and time stamp of the keyframe to seek for a frame; None where none can be."""
        if self._stamps is None or not self._seeks:
            return None
        keys = self._stamps.keyframes
        key = int(keys[np.searchsorted(keys, index, "right") - 1])
        return key, int(self._stamps.pts[key])

    def _open(self) -> Any:
        try:
            import av
        except ImportError:
            raise missing("Reading videos", "PyAV", "video") from None
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
        self._stream, self._streams = pictures[0].index, len(pictures)
        return container

    def _read_times(self, container: Any) -> None:
        import av
        from av.format import Flags

        stream = container.streams[self._stream]
        packets: list[tuple[int | None, int | None, bool]] = []
        ends = 0.0  # of the pictures or the sound, whichever is longer
        read = 0  # bytes up to the last packet
        if self._streams > 1:
            self._remarks.append(f"only the first of {self._streams} tracks of pictures is used")
        try:
            for packet in container.demux():
                if packet.pos is not None:
                    read = max(read, packet.pos + packet.size)
                if packet.pts is not None:
                    length = packet.duration or 0
                    ends = max(ends, float((packet.pts + length) * packet.time_base))
                if packet.stream is stream and packet.size and not packet.is_discard:
                    packets.append((packet.pts, packet.dts, packet.is_keyframe))
        except av.FFmpegError:
            self._remarks.append("the file is damaged towards its end")
        if not packets:
            raise UserError(f"{self.path} has no frames: its length is zero.")
        self._aspect = float(stream.sample_aspect_ratio or 1)
        rate = stream.guessed_rate or stream.average_rate
        gap = 1 / float(rate) if rate else 1 / _USUAL_RATE
        pts, dts, keys = zip(*packets, strict=True)
        if None in pts:
            self.times = np.arange(len(packets)) * gap
            self._seeks = False
        else:
            jumps = bool(container.format.flags & Flags.ts_discont.value)
            tick = float(stream.time_base)
            self._stamps = in_order(pts, dts, keys, tick, gap, clock_jumps=jumps)
            self.times = self._stamps.times
        if self._stamps is not None and (more := len(self._stamps.starts) - 1):
            self._seeks = False  # a time stamp no longer says where
            self._remarks.append(
                f"its clock starts again {counted(more, 'time')}; the parts are taken "
                "one after the other"
            )
        size = self.path.stat().st_size
        if read and (behind := frames_behind(self.path, read)):
            self._remarks.append(
                f"{counted(behind, 'more frame lies', 'more frames lie')} behind its end, "
                "in another film, left out"
            )
        elif size - read > max(_BEHIND * size, _BEHIND_BYTES):
            megabytes = f"{(size - read) / 1e6:.1f} of {size / 1e6:.1f} MB"
            self._remarks.append(f"{megabytes} lie behind its end, perhaps another film")
        promised = ((container.duration or 0) + (container.start_time or 0)) / av.time_base
        if stream.frames > len(packets):
            self._remarks.append(f"cut off: {len(packets)} of {stream.frames} frames are there")
        elif self._seeks and promised - ends > _SHORTFALL:
            self._remarks.append(f"cut off: {ends:.1f} of {promised:.1f} seconds are there")

    def _indexed(self, container: Any) -> Iterator[tuple[Any, int]]:
        """Intact frames with their index, from where the container stands."""
        last = -1
        for number, decoded in enumerate(self._decode(container)):
            if not decoded.is_corrupt:
                last = self._index(decoded, number, last)
                yield decoded, last
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

    def _index(self, decoded: Any, number: int, last: int) -> int:
        """The place of a frame's time stamp; without stamps, its number."""
        if self._stamps is None or decoded.pts is None:
            return min(number, len(self.times) - 1)
        return self._stamps.index(decoded.pts, last)

    def _frame(self, decoded: Any, index: int) -> Frame:
        def draw(size: Size | None) -> np.ndarray:
            return _upright(decoded, size, self._aspect)

        return Frame(index, float(self.times[index]), draw)


def _upright(decoded: Any, size: Size | None, aspect: float) -> np.ndarray:
    """uint8 (H, W, 3): turned and mirrored as the file says, pixels square."""
    sideways, mirrored, upside_down = _orientation(decoded)
    if size is None:
        width, height = max(1, round(decoded.width * aspect)), decoded.height
    else:
        width, height = size[::-1] if sideways else size
    # Bilinear as for photos: FFmpeg widens the filter too when it shrinks.
    pixels = decoded.reformat(width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
    if sideways:
        pixels = pixels.transpose(1, 0, 2)
    pixels = pixels[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
    return np.ascontiguousarray(pixels)


def _orientation(decoded: Any) -> tuple[bool, bool, bool]:
    """By the display matrix (ISO 14496-12, 6.2.2): whether rows and columns are to be exchanged,
    then columns to be mirrored, and rows.

    The pixel (p, q) is shown at (a p + c q, b p + d q). Angles between are rounded to the nearest.
    """
    # By position: what iterating gives, values or their kinds, differs between versions of PyAV.
    every = (decoded.side_data[index] for index in range(len(decoded.side_data)))
    for one in every:
        if one.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(bytes(one), np.int32)[:5].tolist()
            if abs(b) + abs(c) > abs(a) + abs(d):
                return True, c < 0, b < 0
            return False, a < 0, d < 0
    return False, False, False


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
