"""A run folder and a set of photos: embeddings, metrics beside their baselines, a report."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.compilations import keep_compilations
from reid_jax.console import counted, say
from reid_jax.data.photos import Dataset, QueryGallery, describe
from reid_jax.data.photos.content import content_digests
from reid_jax.data.photos.joined import joined
from reid_jax.data.photos.reading import Reading
from reid_jax.data.photos.splits import check_several, query_and_gallery
from reid_jax.errors import UserError, said_unless_written
from reid_jax.files import atomic_write, check_destinations
from reid_jax.individuals.evidence.features import Evidence, chosen_evidence
from reid_jax.individuals.glossary import CONSOLE, MEASURES, SPLITS
from reid_jax.individuals.judge import judge
from reid_jax.individuals.measures import (
    in_part,
    left_out,
)
from reid_jax.individuals.model import TrainedModel
from reid_jax.individuals.published import PublishedModel, open_model
from reid_jax.individuals.recipe import compared
from reid_jax.individuals.report import write_report
from reid_jax.individuals.sources import load_dataset
from reid_jax.individuals.split_file import keep_moved, kept_digests
from reid_jax.ops.ranking.matching import check_matches
from reid_jax.reporting.measure import OURS, columns
from reid_jax.reporting.run_facts import mark_report, report_folder
from reid_jax.reporting.table import results_table
from reid_jax.training.hosts.join import is_first
from reid_jax.training.hosts.shares import Shares, sharing
from reid_jax.training.logging import read_metrics
from reid_jax.training.paths import absolute_photos

SKIPPED = "skipped.txt"  # of a run's source in its folder; of another one beside what was made


def list_skipped(dataset: Dataset, listed: Path) -> None:
    """Writes a path, a tab and a reason a skipped photo; without any, no older list stays."""
    lines = "".join(f"{path}\t{reason}\n" for path, reason in dataset.skipped)
    if not lines:
        listed.unlink(missing_ok=True)
        return
    with atomic_write(listed) as file:
        file.write(lines.encode("utf-8", "surrogateescape"))


def _describe(dataset: Dataset, listed: Path) -> None:
    """Says what a source holds; `listed` names the photos that were skipped."""
    if not is_first():
        return
    try:
        list_skipped(dataset, listed)
    except OSError:  # a run that may only be read can embed all the same
        say(describe(dataset))
    else:
        say(describe(dataset, str(listed)))


def evaluate_run(
    workdir: Path,
    source: str | None = None,
    *,
    query: str | None = None,
    gallery: str | None = None,
    out: Path | None = None,
    photos: str | None = None,
    rerank: bool = False,
    evidence: Evidence | None = None,
    coordinator: str = "",
) -> dict[str, Any]:
    """Evaluates a run on what it held out, or on photos of other sources.

    Args:
      source: its photos called "query" are searched for among those called "gallery", where its
        column "split" knows both; else each photo among all others.
      query, gallery: two sources, one searched for in the other.
      out: folder of the report; by default one in the run's folder.
      photos: where the run's own photos are now, should they have moved; noted in its folder.
      rerank: also rank anew.
      evidence: also search by local features ("local"), and by these and the network ("fused");
        None for both where they can be had here.
      coordinator: several processes share the photos where it names the first one, see `sharing`;
        the others return no numbers.

    Raises:
      UserError: the arguments contradict each other, a source cannot be read, or nothing can be
        searched for.
    """
    _check_asked(source, query, gallery, photos)
    chosen = chosen_evidence(evidence)
    keep_compilations()
    metrics: dict[str, Any] = {}
    with sharing(coordinator, out or workdir / "report") as shares:
        metrics = _evaluate(*(workdir, source, query, gallery, out, photos, rerank, chosen, shares))
    return metrics


def _evaluate(
    workdir: Path,
    source: str | None,
    query: str | None,
    gallery: str | None,
    out: Path | None,
    photos: str | None,
    rerank: bool,
    evidence: Evidence,
    shares: Shares | None,
) -> dict[str, Any]:
    model = open_model(workdir)
    if isinstance(model, PublishedModel):
        _check_published(model, source or query, out)
    if photos is not None:
        model = model.with_photos_at(photos)
    if source is None and query is None:
        dataset, splits = model.load_data()
        try:
            if is_first():
                keep_moved(workdir, dataset, model.config.data.source)
        except OSError as error:
            print(f"{workdir} cannot remember where its photos are now: {error}")
        test, folder, mark = splits.test, out or workdir / "report", None
        split: str | None = model.config.data.split
        trained: Dataset | None = dataset.subset(splits.train)
        learnt: np.ndarray | None = content_digests(dataset)[splits.train]
    else:
        seed, sources = model.config.train.seed, [each for each in (source, query, gallery) if each]
        dataset, test = _other_photos(sources, seed, model.config.data.reading)
        split = trained = None
        check_several(dataset.labels[test.gallery])
        mark = " in ".join(map(absolute_photos, sources))
        name = re.sub(r"[^A-Za-z0-9]+", "-", " in ".join(sources)).strip("-")
        folder = out or report_folder(workdir, name, mark)
        learnt = _learnt(model)
    check_matches(dataset.labels, *test, dataset.columns)
    _describe(dataset, (workdir if mark is None else folder) / SKIPPED)
    if mark is not None:
        say(f"{len(test.query):,} photos are searched for among {len(test.gallery):,}")
        with said_unless_written(folder):
            if is_first():
                mark_report(folder, mark)
    return report(
        *(model, folder, dataset, test),
        title=workdir.name,
        about=f"Other photos than the run held out: {mark}." if split is None else SPLITS[split],
        split=split,
        learnt=learnt,
        trained=trained,
        rerank=rerank,
        evidence=evidence,
        shares=shares,
    )


def _check_asked(
    source: str | None, query: str | None, gallery: str | None, photos: str | None
) -> None:
    if (query is None) != (gallery is None):
        raise UserError(
            "--query and --gallery go together: photos of one are searched in the other."
        )
    if source is not None and query is not None:
        raise UserError(
            f"Give one source, {source}, or two as --query and --gallery, not three of them."
        )
    if photos is not None and (source is not None or query is not None):
        other = "--data names others" if query is None else "--query and --gallery name others"
        raise UserError(f"--photos says where the run's own photos are, {other}.")


def _check_published(model: PublishedModel, source: str | None, out: Path | None) -> None:
    if source is None:
        raise UserError(
            f"{model.workdir} held nothing out here: give photos, --data SOURCE or --query SOURCE "
            "--gallery SOURCE."
        )
    if out is None:
        raise UserError(f"{model.workdir} has no folder: say where the report goes, --out DIR.")


def _other_photos(sources: list[str], seed: int, reading: Reading) -> tuple[Dataset, QueryGallery]:
    """Photos that are not the run's own, and which of them are searched for in which."""
    if len(sources) == 1:
        dataset = load_dataset(sources[0], seed=seed, reading=reading)
        everything = np.arange(len(dataset))
        return dataset, query_and_gallery(dataset) or QueryGallery(everything, everything)
    loaded = [load_dataset(absolute_photos(each), seed=seed, reading=reading) for each in sources]
    dataset, query, gallery = joined(*loaded)
    return dataset, QueryGallery(query, gallery)


def _learnt(model: TrainedModel) -> np.ndarray | None:
    """Digests of the photos that a run was trained on; None, and a sentence, if they are gone."""
    if (kept := kept_digests(model.workdir)) is not None:
        return kept
    try:
        dataset, splits = model.load_data()
        return content_digests(dataset)[splits.train]
    except (UserError, OSError) as error:
        print(f"Whether some of these photos were trained on cannot be said: {error}")
        return None


def report(
    model: TrainedModel,
    folder: Path,
    dataset: Dataset,
    test: QueryGallery,
    *,
    title: str,
    about: str,
    split: str | None,
    learnt: np.ndarray | None,
    trained: Dataset | None = None,
    rerank: bool = False,
    evidence: Evidence = "none",
    shares: Shares | None = None,
) -> dict[str, Any]:
    """Prints and writes the metrics of a model and of its baselines; returns the model's.

    Args:
      about: what the numbers stand on and flatter, in a sentence.
      split: which of `SPLITS` that is, for the metrics.
      learnt: digests of the photos that the model was trained on, if they are known.
      trained: these photos, where the others are what the run held out.
      evidence: other than the network's by which it is searched, too.
      shares: divides the photos over processes; after it only the first one goes on.
    """
    found = judge(
        *(model, dataset, test),
        split=split,
        learnt=learnt,
        trained=trained,
        rerank=rerank,
        evidence=evidence,
        shares=shares,
    )
    metrics, baselines = found.metrics, found.baselines
    _print_table({OURS: metrics, **baselines})
    history = read_metrics(model.workdir)
    weighed = compared(history)
    choices = (*model.config.choices, *weighed)
    for sentence in (about, *left_out(metrics), *in_part(metrics, baselines), *weighed):
        print(sentence)
    with said_unless_written(folder):
        write_report(
            folder,
            title=title,
            about=about,
            **vars(found),
            history=history,
            metric=model.task.metric,
            seed=model.config.train.seed,
            choices=choices,
        )
        print(f"report: {folder / 'index.html'}")
    for symptom in found.symptoms:
        print(symptom)
    return metrics


def _print_table(results: dict[str, dict[str, Any]]) -> None:
    first = results[OURS]
    print(results_table(results, columns(MEASURES, [first], CONSOLE)).as_text())
    if copied := first.get("num_queries_with_copy"):
        of_all = f"of {first['num_queries']:,} photos that are searched for"
        have = counted(copied, f"{of_all} has", f"{of_all} have")
        print(
            f"{have} an exact copy (a file of the same bytes) "
            "among those that are searched in; without copies, none counts as a match"
        )


def embed_to_file(workdir: Path, source: str, out: Path, *, coordinator: str = "") -> None:
    """Writes embeddings, paths and identities of all photos of a source to an .npz file.

    Several processes share the photos where a `coordinator` names the first one, see `sharing`.
    """
    keep_compilations()
    with sharing(coordinator, out) as shares:
        check_destinations(out)
        model = open_model(workdir)
        seed, reading = model.config.train.seed, model.config.data.reading
        dataset = load_dataset(source, seed=seed, unnamed=True, reading=reading)
        _describe(dataset, out.with_name(f"{out.name}.{SKIPPED}"))
        embeddings = model.embed(dataset, shares=shares)
        with atomic_write(out) as file:
            np.savez(
                file,
                embeddings=embeddings,
                paths=dataset.paths.astype(str),
                identities=np.asarray(dataset.identities)[dataset.labels],
            )
        print(f"{len(embeddings):,} embeddings of {embeddings.shape[1]} numbers: {out}")
