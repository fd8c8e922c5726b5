"""The page that `reid-jax gallery report` writes."""

from html import escape

from reid_jax.console import counted
from reid_jax.individuals.gallery.output import percent
from reid_jax.individuals.gallery.reports import drawings
from reid_jax.individuals.gallery.reports.report import Report, estimate_text, left_out_text
from reid_jax.individuals.gallery.reports.sure import Sure, said
from reid_jax.reporting.page import headline, notes, page, section
from reid_jax.reporting.table import Table

_STYLE = """
.chart{display:block;width:100%;height:11rem;overflow:visible}.chart.square{height:18rem}
.chart .front{fill:var(--teal)}.chart .back{fill:#9fc8c2}
.chart polyline{fill:none;stroke:var(--teal);stroke-width:2;vector-effect:non-scaling-stroke}
.chart .rule{stroke:var(--line)}.chart .dot{stroke:var(--amber);stroke-width:9;
stroke-linecap:round;vector-effect:non-scaling-stroke}
.chart .span{stroke:var(--amber);stroke-width:2;vector-effect:non-scaling-stroke}
.ends{display:flex;justify-content:space-between;color:var(--soft);font-size:.85rem}
"""
_MANY = 30  # rows of a table


def as_html(report: Report) -> str:
    """A page with drawings and tables, which fetches nothing."""
    found = report.histories
    cards = {
        "individuals seen": f"{len(found.individuals):,}",
        "photos": f"{len(report.photos):,}",
        "occasions": f"{len(found.occasions):,}",
    }
    if report.estimate is not None:
        cards["individuals there may be"] = f"{report.estimate.number:,.0f}"
    lead = escape(left_out_text(found.left_out) or "All photos count.")
    sections = [
        headline(f"Report of the gallery {report.name}", lead, cards),
        _seen(report),
        _population(report),
        _sure(report.sure),
    ]
    last = "The numbers are in <code>report.json</code> and in the tables beside this page."
    return page(f"Report of {report.name}", sections, last=last, style=_STYLE)


def _ends(first: str, last: str) -> str:
    return f'<div class="ends"><span>{escape(first)}</span><span>{escape(last)}</span></div>'


def _seen(report: Report) -> str:
    months, years = report.months.each, report.years.each
    if not months:
        return section("What was seen", notes(["No photo that counts has a date."]))
    ends = _ends(months[0].name, months[-1].name)
    rows = [[c.name, c.photos, c.individuals, c.new, c.known] for c in years]
    head = ["year", "photos", "individuals", "for the first time", "known so far"]
    return section(
        "What was seen",
        drawings.catches_chart(report.months, "month") + ends,
        notes(["Pale bars are photos of each month, full ones the individuals on them."]),
        drawings.discovery_chart(report.months) + ends,
        notes([f"Individuals known so far, {months[-1].known:,} at the end."]),
        Table(head, rows[-_MANY:]).as_html(),
    )


def _population(report: Report) -> str:
    found = report.histories
    rows = [
        [each.name, caught, again, before]
        for each, caught, again, before in zip(
            found.occasions,
            found.caught.tolist(),
            found.recaptured.tolist(),
            found.marked.tolist(),
            strict=True,
        )
    ]
    said_more = f"The last {_MANY} of {counted(len(rows), 'occasion')} are shown."
    return section(
        "How many there are",
        f"<p>{escape(estimate_text(report.estimate, report.assumed))}</p>",
        Table(["occasion", "seen", "of them before", "known before"], rows[-_MANY:]).as_html(),
        notes([said_more] if len(rows) > _MANY else []),
        notes(
            [
                "encounters.csv has a row an individual and a column an occasion; encounters.inp "
                "is the same for program MARK; left-out.csv names the photos that do not count.",
            ]
        ),
    )


def _sure(sure: Sure | None) -> str:
    title = "How sure the gallery is"
    if sure is None:
        return section(title, notes(["It cannot be said: nothing could be calibrated."]))
    rows = [
        [
            f"{percent(each.low)} to {percent(each.high)}",
            *(percent(value) for value in (each.promised, each.kept)),
            f"{percent(each.least)} to {percent(each.most)}",
            each.answers,
        ]
        for each in sure.curve
    ]
    head = ["probability", "on average", "right", "95% interval", "answers"]
    return section(
        title,
        f"<p>Probabilities are wrong by {percent(sure.difference)} on average.</p>",
        drawings.curve_chart(sure.curve) + _ends("0% promised", "100% promised"),
        Table(head, rows).as_html(),
        f"<p>{escape(said(sure.at(sure.level)))} thresholds.csv says it for others.</p>",
        notes([sure.how()]),
    )
