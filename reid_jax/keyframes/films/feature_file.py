"""An H5 file of videos' features that grows by a video at a time, and is never half written."""

import contextlib
import hashlib
import io
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reid_jax.data.videos.named import name_of
from reid_jax.errors import UserError, missing
from reid_jax.files import as_text, atomic_write, share
from reid_jax.keyframes.films.features import Described
from reid_jax.locks import try_lock
from reid_jax.platforms import replace, sync


class FeatureFile:
    """Videos in the layout of the eccv16_dataset files (Zhang et al., ECCV 2016).

    A group a video, named as its file: `features` float32, `picks`, `n_frames`, `n_steps`,
    `change_points` and `n_frame_per_seg` of its scenes, `fps` and `video_name`; its attribute
    `digest` names the content. What people thought of the frames (`gtscore`, `user_summary`) is for
    others to add, and stays. A video that is added is kept in a hidden folder beside the file, also
    if the program is killed, until `join` puts all of them into the file.

    Args:
      path: the file, which need not exist.
      made_by: attributes of the file: how features come about. A file that has others is refused.

    Raises:
      UserError: there is a file of another kind, or nothing can be written beside it.
    """

    def __init__(self, path: Path, made_by: Mapping[str, Any]):
        self.path, self.made_by = path, dict(made_by)
        self._parts = path.with_name(f".{path.name}.parts")
        self._there: set[tuple[str, str]] = set()
        if os.path.lexists(path):
            self._check()

    def __contains__(self, video: tuple[Path, str]) -> bool:
        """Whether a video, by its path and the digest of its content, is in the file or waits."""
        path, digest = video
        there = (as_text(path.name), digest) in self._there
        return there or any(self._parts.glob(f"*{self._part(path, digest)}"))

    def __len__(self) -> int:
        return len(self._there)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While no other process writes this file.

        Raises:
          UserError: another one does, or nothing can be written there.
        """
        held = contextlib.ExitStack()
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
            share(self._parts)
            lock = held.enter_context(try_lock(self._parts / "lock"))
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be written ({error.strerror}); name another file with --out."
            ) from None
        with held:
            if lock is None:
                raise UserError(
                    f"Another extract.py is writing {self.path}; wait until it is done."
                )
            yield
            if not any(self._parts.glob("*.h5")):
                shutil.rmtree(self._parts, ignore_errors=True)

    def content(self, video: Described, digest: str) -> bytes:
        """A video as an H5 file of its own, to be kept."""
        h5py = _h5py()
        content = io.BytesIO()  # h5py reads what it has written, which a file being written forbids
        with h5py.File(content, "w") as file:
            file.attrs.update(self.made_by)
            group = file.create_group(_key(video.video.path))
            group.attrs["digest"] = digest
            group["features"] = video.features
            group["picks"] = video.picks
            group["n_frames"] = video.n_frames
            group["n_steps"] = len(video.picks)
            group["change_points"] = video.scenes
            group["n_frame_per_seg"] = video.scenes[:, 1] - video.scenes[:, 0] + 1
            group["fps"] = (video.n_frames - 1) / max(float(video.video.times[-1]), 1e-9)
            group["video_name"] = as_text(video.video.path.name)
        return content.getvalue()

    def keep(self, path: Path, digest: str, content: bytes) -> None:
        """Keeps the `content` of a video until `join`."""
        name = f"{self.waiting():06d}-{self._part(path, digest)}"  # disks' clocks are coarse
        with atomic_write(self._parts / name) as stream:
            stream.write(content)

    def join(self) -> dict[str, str]:
        """Puts all videos that wait into the file; what is in it stays as it is.

        Returns:
          file name and key of those that are not in a group of their own name, as another video is.
        """
        h5py = _h5py()
        waiting = self._parts.glob("*.h5")
        parts = sorted(waiting, key=lambda part: (part.stat().st_mtime_ns, part.name))
        renamed: dict[str, str] = {}
        joined = self._parts / "joined"
        with h5py.File(joined, "w") as file:
            if self.path.exists():
                with h5py.File(self.path, "r") as before:
                    _copy(before, file)
            for part in parts:
                with h5py.File(part, "r") as one:
                    if not self._fits(one.attrs):  # of an interrupted command with other options
                        continue
                    file.attrs.update(self.made_by)
                    for key, group in one.items():
                        new, number = key, 1
                        while new in file:
                            number += 1
                            new = f"{key}_{number}"
                        one.copy(group, file, new)
                        name = group["video_name"].asstr()[()]
                        self._there.add((name, group.attrs["digest"]))
                        if new != key:
                            renamed[name] = new
            file.flush()
        if self.path.exists():
            shutil.copymode(self.path, joined)
        share(joined)
        with joined.open("r+b") as written:
            sync(written)
        replace(joined, self.path)
        for part in parts:
            part.unlink()
        return renamed

    def waiting(self) -> int:
        """How many videos `join` would put into the file."""
        return len(list(self._parts.glob("*.h5")))

    def _check(self) -> None:
        h5py = _h5py()
        try:
            with h5py.File(self.path, "r") as file:
                fits = self._fits(file.attrs)
                for group in file.values():
                    if "digest" in group.attrs and "video_name" in group:
                        name = group["video_name"].asstr()[()]
                        self._there.add((name, group.attrs["digest"]))
        except (OSError, TypeError):
            raise UserError(
                f"{self.path} is no H5 file that can be read; name another file with --out."
            ) from None
        if not fits:
            raise UserError(
                f"{self.path} was made by another network, at another rate, or by an earlier "
                "version; name another file with --out, or move it away."
            )

    def _fits(self, attributes: Mapping[str, Any]) -> bool:
        return all(attributes.get(name) == value for name, value in self.made_by.items())

    def _part(self, path: Path, digest: str) -> str:
        name = f"{as_text(path.name)}/{digest}/{sorted(self.made_by.items())}"
        return f"{hashlib.blake2b(name.encode(), digest_size=16).hexdigest()}.h5"


def _copy(source: Any, target: Any) -> None:
    target.attrs.update(source.attrs)
    for key in source:
        source.copy(key, target)


def _key(path: Path) -> str:
    return as_text(name_of(path))


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise missing("Writing H5", "h5py", "video") from None
    return h5py
