"""The network of a run that trained a similarity of videos, ready to compare clips."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_jax.errors import UserError
from reid_jax.same_video.config import VideoSimilarityConfig
from reid_jax.same_video.run import CHAMFER
from reid_jax.same_video.task import WHITENING
from reid_jax.training.run import restore


@dataclass(frozen=True, eq=False)
class SimilarityRun:
    """The best network of a run, and the Chamfer similarity from which clips are of one video."""

    workdir: Path
    config: VideoSimilarityConfig
    params: Any
    model_state: Any
    step: int
    threshold: float

    @property
    def width(self) -> int:
        """Numbers a frame that the run was trained on."""
        return int(self.model_state[WHITENING]["mean"].shape[0])


def load_similarity_run(workdir: Path) -> SimilarityRun:
    """The best checkpoint of a run that trained a similarity of videos, with its threshold.

    Raises:
      UserError: the folder holds no such run, or no report with the threshold.
    """
    restored = restore(workdir, VideoSimilarityConfig)
    return SimilarityRun(workdir, *restored, chosen_threshold(workdir))


def chosen_threshold(workdir: Path) -> float:
    """The Chamfer similarity from which on a run's report takes two clips for one video.

    Raises:
      UserError: there is no such report.
    """
    path = workdir / "report" / "pairs.json"
    try:
        return float(json.loads(path.read_text())[CHAMFER]["threshold"])
    except (OSError, ValueError, TypeError, KeyError):
        raise UserError(
            f"{path} does not hold the threshold of this run; reid-jax pairs {workdir} writes it."
        ) from None
