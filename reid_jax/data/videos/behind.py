"""Films that lie behind the end of a film in one file, as `cat` joins them.

FFmpeg reads the first of them, of Matroska the first two. What is left out has to be said.
"""

import mmap
from pathlib import Path

_BEGINNINGS = ((b"\x1aE\xdf\xa3", 0), (b"ftyp", 4), (b"FLV\x01", 0))
"""What a film begins with, and behind how many bytes: Matroska and WebM, MP4, FLV."""


def frames_behind(path: Path, read: int) -> int:
    """How many frames lie in a file behind its first `read` bytes, in films of their own."""
    count = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        while (start := _next_beginning(content, read)) is not None:
            frames, length = _frames(path, start, len(content))
            count += frames
            read = start + max(length, 5)  # behind what only looked like a beginning
    return count


def _next_beginning(content: mmap.mmap, start: int) -> int | None:
    found = [
        place - before
        for mark, before in _BEGINNINGS
        if (place := content.find(mark, start + before)) >= 0
    ]
    return min(found, default=None)


def _frames(path: Path, start: int, end: int) -> tuple[int, int]:
    """Frames of a film that begins at a byte, and how many bytes FFmpeg reads of it."""
    import av

    count = length = 0
    try:
        with av.open(
            f"subfile,,start,{start},end,{end},,:{path.resolve()}",
            options={"protocol_whitelist": "file,subfile"},
        ) as container:
            for packet in container.demux(video=0):
                length = max(length, (packet.pos or 0) + packet.size)
                count += bool(packet.size and not packet.is_discard)
    except (av.FFmpegError, IndexError, OSError, ValueError):
        pass  # it is none, or ends in the middle
    return count, length
