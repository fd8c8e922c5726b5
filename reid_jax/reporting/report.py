"""What every report leaves in its folder: ``metrics.json``, ``tables.md``, figures, one page."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_jax.files import atomic_write, write_text
from reid_jax.reporting import page
from reid_jax.reporting.figures import loss_curve
from reid_jax.reporting.measure import Measures, columns
from reid_jax.reporting.plain_json import plain_json
from reid_jax.reporting.table import Table, results_table
from reid_jax.reporting.words import WORDS, meanings

Results = Mapping[str, Mapping[str, Any]]
"""Values by the measure's key, by the row's name: the network first, then its baselines."""


def write_report(
    folder: Path,
    *,
    title: str,
    content: Mapping[str, Any],
    tables: Mapping[str, Table],
    figures: Mapping[str, bytes],
    sections: Sequence[str],
    meanings: Mapping[str, str],
    remarks: Sequence[str] = (),
    last: str = "",
    style: str = "",
) -> None:
    """Writes a report; each file appears whole or not at all, those of an older one are replaced.

    Args:
      folder: made if it is not there.
      title: of the page and of the tables.
      content: of ``metrics.json``.
      tables: of ``tables.md``, by heading; the first may have none, as "".
      figures: PNGs by name.
      sections: HTML of the page.
      meanings: of the words on it, see :func:`reid_jax.reporting.page.page`.
      remarks: sentences under the title of ``tables.md``.
      last: the end of the page's small print (HTML).
      style: see :func:`reid_jax.reporting.page.page`.
    """
    write_text(folder / "metrics.json", plain_json(content))
    parts = [f"# {title}\n", *(f"{sentence}\n" for sentence in remarks)]
    for heading, table in tables.items():
        parts += [f"## {heading}\n"] if heading else []
        parts.append(table.as_markdown() + "\n")
    write_text(folder / "tables.md", "\n".join(parts))
    for name, png in figures.items():
        with atomic_write(folder / f"{name}.png") as file:
            file.write(png)
    small = f"{page.FILES} {last}"
    html = page.page(title, sections, meanings=meanings, last=small, style=style)
    write_text(folder / "index.html", html)


def write_page(
    folder: Path,
    *,
    title: str,
    lead: str,
    results: Results,
    measures: Measures,
    history: Sequence[Mapping[str, Any]] = (),
    figures: Mapping[str, tuple[bytes | None, str]] | None = None,
    remarks: Sequence[str] = (),
    tables: Mapping[str, Table] | None = None,
    words: Mapping[str, str] = WORDS,
    table: str | None = None,
    apart: Collection[str] = (),
    validated: str = "examples",
) -> None:
    """The report of a question that needs no page of its own kind.

    It opens with the first measure of the network beside its baselines; then come all measures,
    the figures, further tables, the training, and what the words mean.

    Args:
      folder: made if it is not there.
      title: of the page.
      lead: what was asked, in a sentence (HTML).
      results: the network first, see ``Results``; ``KEY_low`` and ``KEY_high`` are the ends of
        95% intervals.
      measures: the first is the one that matters most.
      history: rows of the run's ``metrics.jsonl``.
      figures: PNG and caption by name; what is None is left out.
      remarks: what must be known to read the numbers.
      tables: more of them, by heading.
      words: what else the page explains.
      table: in which the measures with a column of their own are; by default all have one.
      apart: rows below the first that do not show what can be had without learning.
      validated: what validation was on.
    """
    drawn = {name: png for name, (png, _) in (figures or {}).items() if png is not None}
    shown = columns(measures, results.values())
    head, *rest = results.items()
    curve = loss_curve(history, validated, measures)
    sections = [
        page.headline(title, lead, page.cards(results, shown[0])) + page.notes(remarks),
        page.section(
            "How good is it?", page.metrics_table(results, measures, table=table, apart=apart)
        ),
        *(page.section(heading, table.as_html()) for heading, table in (tables or {}).items()),
        page.section(
            "In pictures",
            *(page.figure(png, caption) for png, caption in (figures or {}).values()),
        ),
        page.loss_figure(curve, history, validated),
    ]
    write_report(
        folder,
        title=title,
        content={"metrics": head[1], "baselines": dict(rest)},
        tables={"": results_table(results, shown), **(tables or {})},
        figures=drawn | ({} if curve is None else {"loss_curve": curve}),
        sections=sections,
        meanings=meanings(shown, words),
        remarks=remarks,
    )
