"""A question without a page of its own kind writes its report in one call."""

import json

import numpy as np

from reid_jax.reporting.figures import as_png, new_figure
from reid_jax.reporting.measure import OURS, Measure, by_key
from reid_jax.reporting.page import metrics_table
from reid_jax.reporting.report import write_page
from reid_jax.reporting.table import Table

MEASURES = by_key(
    Measure("accuracy", "Accuracy", "The share of pictures whose direction is right."),
    Measure("loss", "Loss", "Of the test pictures.", better="lower", share=False),
    Measure("never", "Never", "In no result."),
)


def test_a_report_in_one_call(tmp_path):
    with new_figure(3, 2) as (figure, axes):
        axes.plot([0, 1])
        png = as_png(figure)
    history = [{"step": i, "loss": 1 / i} for i in (1, 2, 3)]
    history += [{"step": 3, "validation/accuracy": 0.5, "validation/other": 1.0}]
    write_page(
        tmp_path,
        title="A <title>",
        lead="<b>10</b> pictures.",
        results={
            OURS: {"accuracy": 0.75, "accuracy_low": 0.5, "accuracy_high": 0.9, "loss": 0.1},
            "guessing": {"accuracy": 0.25, "loss": float("nan")},
        },
        measures=MEASURES,
        history=history,
        figures={"line": (png, "A line."), "nothing": (None, "Not drawn.")},
        remarks=["Few pictures."],
        tables={"By side": Table(["side", "n"], [["left", 3]])},
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        *("metrics.json", "tables.md", "index.html", "line.png", "loss_curve.png")
    }
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["metrics"]["accuracy"] == 0.75
    assert content["baselines"] == {"guessing": {"accuracy": 0.25, "loss": None}}
    tables = (tmp_path / "tables.md").read_text()
    assert "| guessing | 0.250 | – |" in tables
    assert "## By side\n\n| side | n |" in tables
    html = (tmp_path / "index.html").read_text()
    for words in (
        "A &lt;title&gt;",
        "75.0%",
        "0.500 to 0.900",
        "A line.",
        "Few pictures.",
        "Right:",
    ):
        assert words in html
    for words in ("Not drawn.", "Never", "<title> <", 'src="http'):
        assert words not in html
    assert 'id="words"' in html
    assert "The rows below the first show what can be had without learning;" in html
    assert "Lower is better." in html
    assert '<th class="word "><a class="word" href="#word-accuracy"' in html
    assert "Few pictures." in tables


def test_rows_that_learnt_are_named():
    rows = {name: {"loss": 1.0} for name in (OURS, "guessing", "other run", "ensemble")}
    html = metrics_table(rows, MEASURES, apart=("ensemble", "other run", "absent"))
    assert "first, apart from &quot;other run&quot;, &quot;ensemble&quot;, show what can" in html
    assert "without learning" not in metrics_table(rows, MEASURES, apart=list(rows))


def test_a_report_of_next_to_nothing(tmp_path):
    write_page(
        tmp_path, title="t", lead="", results={"a": {"loss": np.float64(1)}}, measures=MEASURES
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        *("metrics.json", "tables.md", "index.html")
    }
