"""The report of a run on photos: what it answers, its mistakes, and how good it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.files import as_text
from reid_jax.individuals import figures as plots
from reid_jax.individuals import page as parts
from reid_jax.individuals.closeness import closeness_of
from reid_jax.individuals.findings import Findings, Row, Strip, find
from reid_jax.individuals.flatten import flatten
from reid_jax.individuals.glossary import MEASURES, PAGE, TUNED, WORDS
from reid_jax.individuals.measures import Details, held_out, in_part
from reid_jax.reporting import page
from reid_jax.reporting.figures import loss_curve
from reid_jax.reporting.measure import OURS, columns
from reid_jax.reporting.report import Results
from reid_jax.reporting.report import write_report as write_files
from reid_jax.reporting.symptom import Symptom, as_json
from reid_jax.reporting.table import Table, results_table
from reid_jax.reporting.words import meanings

_MAP_POINTS = 1000
_TABLE_ROWS = 12


def write_report(
    folder: Path,
    *,
    title: str,
    about: str = "",
    embeddings: np.ndarray,
    dataset: Any,
    query: np.ndarray,
    gallery: np.ndarray,
    metrics: Mapping[str, Any],
    details: Details,
    baselines: Mapping[str, Mapping[str, Any]],
    history: Sequence[Mapping[str, Any]] = (),
    metric: str = "cosine",
    seed: int = 0,
    choices: Sequence[str] = (),
    symptoms: Sequence[Symptom] = (),
) -> None:
    """Writes everything into a folder; each file appears whole or not at all.

    Args:
      folder: made if it is not there; files of an older report are replaced.
      title: of the page.
      about: what the numbers stand on and flatter, in a sentence.
      embeddings: ``(N, D)`` of the photos of ``dataset``.
      dataset: as :class:`reid_jax.data.Dataset`: ``load, labels, identities, paths, columns``.
      query, gallery: rows of the dataset.
      metrics, details: of these embeddings, see ``evaluate_in_detail``.
      baselines: metrics of others, by name.
      history: rows of the run's ``metrics.jsonl``.
      metric: how embeddings are compared.
      seed: of what is drawn at random.
      choices: what the run has chosen, and why, a sentence each.
      symptoms: what is wrong with the run; it stands at the top.
    """
    folder = Path(folder)
    embeddings = np.asarray(embeddings, np.float32)
    found = find(embeddings, dataset, query, gallery, metric=metric, seed=seed, details=details)
    names = _names(dataset)
    results = {OURS: metrics, **baselines}
    pictured = [row for one in found.sample + found.mistakes for row in (one.query, *one.matches)]
    pictured += [row for pair in found.confusions[:_TABLE_ROWS] for row in (pair.query, pair.match)]
    thumbnails = page.Thumbnails(dataset, pictured)
    rows = held_out(query, gallery)
    figures = _figures(
        embeddings, dataset, rows, found, thumbnails, baselines, history, metric, seed
    )
    write_files(
        folder,
        title=title,
        content={"symptoms": as_json(symptoms), **_content(metrics, baselines, found, names)},
        tables=_tables(results, found, names),
        figures=figures,
        sections=_sections(
            title,
            about,
            symptoms,
            dataset,
            results,
            found,
            thumbnails,
            figures,
            history,
            choices,
            metric,
        ),
        meanings=meanings(MEASURES.values(), WORDS),
        remarks=[*map(str, symptoms), *([about] if about else []), *choices],
        last=parts.TIES,
        style=parts.STYLE,
    )


def _figures(
    embeddings: np.ndarray,
    dataset: Any,
    rows: np.ndarray,
    found: Findings,
    thumbnails: page.Thumbnails,
    baselines: Mapping[str, Mapping[str, Any]],
    history: Sequence[Mapping[str, Any]],
    metric: str,
    seed: int,
) -> dict[str, bytes]:
    shown = _map_rows(dataset.labels, rows, seed)
    flat = flatten(embeddings[shown], metric)
    labels, names = dataset.labels[shown], _names(dataset)
    best = list(flat)[-1]
    figures = {
        "loss_curve": loss_curve(history, "photos", MEASURES),
        "cmc": plots.cmc(found.first_rank, baselines),
        "embedding": plots.embedding_map(flat, labels, names),
        "embedding_photos": plots.thumbnail_map(
            flat[best], labels, dataset.load(shown, 64, 3), best
        ),
        "strips": plots.strips(_strip_cells(found.sample, dataset, thumbnails)),
        "mistakes": plots.strips(_strip_cells(found.mistakes, dataset, thumbnails)),
    }
    if found.pair_same.any() and not found.pair_same.all():
        figures["roc"] = plots.roc({OURS: (found.pair_scores, found.pair_same)})
        figures["det"] = plots.det(found.pair_scores, found.pair_same)
        figures["scores"] = plots.score_distribution(found.pair_scores, found.pair_same, metric)
    return {name: png for name, png in figures.items() if png is not None}


def _map_rows(labels: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    """All these photos; of too many, whole individuals, or photos where individuals are few."""
    if len(rows) <= _MAP_POINTS:
        return rows
    rng = np.random.default_rng(seed)
    individuals = np.unique(labels[rows])
    if len(individuals) <= 20:
        return np.sort(rng.permutation(rows)[:_MAP_POINTS])
    counts = np.bincount(labels[rows])
    order = rng.permutation(individuals)
    taken = order[np.cumsum(counts[order]) <= _MAP_POINTS]
    return rows[np.isin(labels[rows], taken)]


def _strip_cells(
    found: Sequence[Strip], dataset: Any, thumbnails: page.Thumbnails
) -> list[list[tuple[np.ndarray, str, bool | None]]]:
    def cell(row: int, right: bool | None) -> tuple[np.ndarray, str, bool | None]:
        name = as_text(dataset.identities[int(dataset.labels[row])])
        # What tells long names apart is at their end, as in Sanskrit/character03.
        return thumbnails.pixels(row), name if len(name) <= 16 else f"…{name[-15:]}", right

    labels = dataset.labels
    return [
        [cell(one.query, None)]
        + [cell(int(row), bool(labels[row] == labels[one.query])) for row in one.matches]
        for one in found
    ]


def _sections(
    title: str,
    about: str,
    symptoms: Sequence[Symptom],
    dataset: Any,
    results: Results,
    found: Findings,
    thumbnails: page.Thumbnails,
    figures: Mapping[str, bytes],
    history: Sequence[Mapping[str, Any]],
    choices: Sequence[str],
    metric: str,
) -> list[str]:
    arguments = thumbnails, dataset.labels, _names(dataset)
    closeness = closeness_of(metric)
    low, high = ("high", "low") if closeness.is_distance else ("low", "high")
    metrics = results[OURS]
    baselines = {name: values for name, values in results.items() if name != OURS}
    hardest = [row for row in found.individuals if row.rank1 < 1][:_TABLE_ROWS]

    def figure(name: str, caption: str, *, photographic: bool = False) -> str:
        return page.figure(figures.get(name), caption, photographic=photographic)

    def breakdown(name: str, rows: Sequence[Row], note: str = "") -> str:
        return page.heading(f"By {name}{note}") + parts.breakdown(name, rows).as_html()

    return [
        parts.opening(title, about, symptoms, metrics, baselines),
        page.section(
            "How good is it?",
            page.metrics_table(
                results,
                MEASURES,
                table=PAGE,
                otherwise="other individuals had been photographed",
                apart=(TUNED,),
            ),
            page.notes(in_part(metrics, baselines)),
        ),
        page.section("What was chosen, and why", page.bullets(choices)) if choices else "",
        page.section(
            "What it answers",
            "<p>A photo that was looked up (left, dark frame), and what the network found most "
            "similar, best first. Green is the same individual, red is another one; under each are "
            f"its name and the {closeness.word}. These photos were drawn at random, not "
            "chosen.</p>",
            parts.strips(found.sample, *arguments, metric=metric),
        ),
        page.section(
            "Its surest mistakes",
            f"<p>Wrong answers with the {closeness.closest}. Look here first: some may be "
            "mistakes in the names, or photos of the same encounter filed under two individuals."
            "</p>",
            parts.strips(found.mistakes, *arguments, metric=metric),
        )
        if found.mistakes
        else "",
        page.section(
            "How long a list, and where to draw the line?",
            f"<p>Two photos count as the same individual when their {closeness.word} reaches a "
            f"threshold. A {low} threshold misses little but confuses individuals; a {high} one "
            "the other way round. Every point of the last two curves is one threshold.</p>"
            if "roc" in figures
            else "",
            page.side_by_side(
                figure(
                    "cmc",
                    "By the length of the list, the share of photos whose individual is on it: "
                    "this network (solid) and the baselines (dotted).",
                ),
                figure(
                    "scores",
                    f"The {closeness.word} of two photos: of different individuals, and of the "
                    "same one. "
                    "The less the two hills overlap, the easier it is to say no.",
                ),
                figure(
                    "roc",
                    "By the share of different pairs taken for the same, the share of same pairs "
                    "recognised. Higher is better; strict thresholds are on the left.",
                ),
                figure(
                    "det",
                    "By the share of different pairs taken for the same, the share of same pairs "
                    "missed. Lower is better; on the dotted line both mistakes are alike.",
                ),
            ),
        ),
        page.section(
            "Who is taken for whom?",
            parts.confusions(found.confusions[:_TABLE_ROWS], *arguments),
        ),
        page.section(
            "Where does it work, and where not?",
            *(breakdown(name, rows) for name, rows in found.groups.items()),
            breakdown("individual", hardest, ", the hardest first") if hardest else "",
        ),
        page.section(
            "A map of the photos",
            "<p>Every point is a photo that was held out; a colour is an individual. Photos that "
            "the network finds similar lie close together, so a good network makes islands of one "
            "colour.</p>",
            figure(
                "embedding",
                "Points of one colour are photos of one individual. Distances between far islands "
                "mean little; who is on one does.",
            ),
            figure(
                "embedding_photos",
                "The same map with photos, as many as fit; the frame is the individual's colour.",
                photographic=True,
            ),
        ),
        page.loss_figure(figures.get("loss_curve"), history, "photos"),
    ]


def _names(dataset: Any) -> list[str]:
    """The individuals' names as pages and fonts take them."""
    return [as_text(name) for name in dataset.identities]


def _content(
    metrics: Mapping[str, Any],
    baselines: Mapping[str, Mapping[str, Any]],
    found: Findings,
    names: Sequence[str],
) -> dict[str, Any]:
    groups = {**found.groups, "individual": found.individuals}
    return {
        "metrics": metrics,
        "baselines": baselines,
        "groups": {
            group: {
                row.name: {"queries": row.queries, "rank1": row.rank1, "mAP": row.mean_ap}
                for row in rows
            }
            for group, rows in groups.items()
        },
        "confusions": [
            {"individuals": [names[pair.first], names[pair.second]], "count": pair.count}
            for pair in found.confusions
        ],
    }


def _tables(results: Results, found: Findings, names: Sequence[str]) -> dict[str, Table]:
    metrics = results[OURS]
    counts = [[k[4:], f"{v:,}"] for k, v in metrics.items() if k.startswith("num_")]
    tables = {
        "": results_table(results, columns(MEASURES, [metrics])),
        "How many": Table(["", "count"], counts),
    }
    for group, rows in {**found.groups, "individual": found.individuals}.items():
        tables[f"By {group}"] = parts.breakdown(group, rows)
    if found.confusions:
        lines = [[names[p.first], names[p.second], p.count] for p in found.confusions]
        tables["Taken for each other"] = Table(["individual", "individual", "times"], lines, "llr")
    return tables
