"""Videos in, their keyframes out."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_jax.compilations import keep_compilations
from reid_jax.console import clock, counted, say
from reid_jax.data.names import composed
from reid_jax.data.videos.named import distinct, name_of, named_videos, pass_over
from reid_jax.errors import UserError
from reid_jax.files import check_destinations, make_folder, share
from reid_jax.keyframes.ensemble import Average, Ensemble, load_ensemble
from reid_jax.keyframes.films.choice import Choice, choose
from reid_jax.keyframes.films.clip import frames_of, summary_shots
from reid_jax.keyframes.films.destination import new_folder, publish
from reid_jax.keyframes.films.features import Described, describe, each_video
from reid_jax.keyframes.films.keyframe_files import Keyframes, write_keyframes
from reid_jax.training.hosts.films import PROBLEM, collect_films, shared_films
from reid_jax.training.hosts.shares import Piece, Shares, sharing

_CHOICE = 2  # frames that are looked at for each keyframe that is asked for


def write_keyframes_of(
    videos: Sequence[Path],
    workdirs: Sequence[Path],
    out: Path,
    choice: Choice,
    *,
    average: Average = "ranks",
    clip: bool = False,
    backbone: str = "",
    weights: str = "",
    coordinator: str = "",
) -> None:
    """Writes into a folder of each video what `reid-jax keyframes` promises, and says so.

    Several runs answer together, see `Ensemble`. Several processes share the videos where a
    `coordinator` names the first one, see `sharing`.

    Raises:
      UserError: for a run or a choice that cannot be used, or when no video can be.
    """
    keep_compilations()
    with sharing(coordinator, out) as shares:
        check_destinations(folder=out)
        runs = load_ensemble(workdirs, average, backbone, weights)
        for about in runs.about:
            say(about)
        finder = _Finder(out, runs, choice, clip)
        paths = named_videos(videos)
        done = finder.alone(paths) if shares is None else finder.shared(paths, shares)
        if not done:
            raise UserError(f"None of {len(paths)} videos could be used.")


@dataclass(frozen=True)
class _Finder:
    out: Path
    runs: Ensemble
    choice: Choice
    clip: bool

    @property
    def _least(self) -> int:
        """Frames that are looked at, so that there is a choice."""
        return _CHOICE * (self.choice.count or 0)

    def alone(self, paths: Sequence[Path]) -> int:
        """How many of the videos could be used."""
        done, digests, rate = 0, dict[Path, str](), self.runs.rate
        films = each_video(distinct(paths, digests), self.runs.encoder, rate, least=self._least)
        for path, described in films:
            if isinstance(described, str):
                pass_over(described, len(paths) - 1)
                continue
            with new_folder(self.out) as folder:
                text = self._write(described, folder, digests[path])
                place = publish(folder, self.out, path, digests[path])
            print(f"{text}\n{_at(place, path)}")
            done += 1
        return done

    def shared(self, paths: Sequence[Path], shares: Shares) -> int:
        """The same by several processes; each folder is published by the first one, in order."""
        films, rate = shared_films(paths, shares), self.runs.rate

        def make(number: int, path: Path) -> Piece:
            folder = shares.place(number)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            share(folder)
            described = describe(path, self.runs.encoder, rate, least=self._least)
            return {"text": np.array(self._write(described, folder, films[path]))}

        asked = {
            "the network": self.runs.fingerprint,
            "what makes features": ", ".join(e.name for e in dict.fromkeys(self.runs.encoders)),
            "how keyframes are chosen": repr(self.choice),
            "with clips": self.clip,
        }
        done = 0
        found = collect_films(shares, list(films.items()), asked, make)
        make_folder(self.out)
        for number, (path, piece) in enumerate(zip(films, found, strict=True)):
            if PROBLEM in piece:
                pass_over(str(piece[PROBLEM]), len(paths) - 1)
                continue
            shares.forget(number)  # were this ended now, its folder would be made again
            place = publish(shares.place(number), self.out, path, films[path])
            print(f"{piece['text']}\n{_at(place, path)}")
            done += 1
        return done

    def _write(self, described: Described, folder: Path, digest: str) -> str:
        found = find_keyframes(self.runs, described, self.choice)
        write_keyframes(found, folder, self.runs, digest=digest, clip=self.clip)
        return _summary(found, self.choice.count)


def find_keyframes(runs: Ensemble, described: Described, choice: Choice) -> Keyframes:
    """Scores a video, chooses its keyframes and the frames of its summary."""
    scores = runs.score(described)
    chosen, words = choose(choice, scores, described)
    times = described.video.times
    shots = summary_shots(scores, described.picks, described.scenes, times, choice.share)
    return Keyframes(described, scores, chosen, words, frames_of(shots, len(times)))


def _summary(found: Keyframes, count: int | None) -> str:
    described = found.described
    video = described.video
    chosen = len(found.chosen)
    few = ""
    if count is not None and chosen < count:
        looked_at = counted(len(described.picks), "frame")
        why = f"{looked_at} could be looked at" if len(described.picks) < count else "no more fit"
        few = f" ({count} were asked for; {why})"
    lines = [
        f"{video.path}: {chosen} keyframe{'' if chosen == 1 else 's'}{few} of "
        f"{described.n_frames:,} frames, {clock(float(video.times[-1]))}, "
        f"{len(described.scenes)} scene{'' if len(described.scenes) == 1 else 's'} by "
        f"{described.scenes_by}"
    ]
    if video.problem:
        lines.append(f"  {video.problem}")
    times = video.times[described.picks[found.chosen]]
    shown = ", ".join(clock(float(time)) for time in times[:12])
    lines.append(f"  {found.chosen_by}")
    lines.append(f"  at {shown}{', ...' if chosen > 12 else ''}")
    return "\n".join(lines)


def _at(folder: Path, video: Path) -> str:
    named = folder.with_name(name_of(video))
    other = "" if composed(folder.name) == named.name else f", as {named} holds something else"
    return f"  {folder}{other}"
