"""Runs side by side: equal ones are called equal, and less of a bad thing is better."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from reid_jax.reporting import figures
from reid_jax.reporting.compare import Comparison, Contender, find_differences, mebibytes
from reid_jax.reporting.figures import as_png, new_figure
from reid_jax.reporting.measure import Measure, by_key

MEASURES = by_key(
    Measure("hits", "Hits", "How many."),
    Measure("misses", "Misses", "How many not.", better="lower"),
)


def differences(one, other, measure="hits"):
    runs = [("one", {measure: np.asarray(one)}), ("other", {measure: np.asarray(other)})]
    return find_differences(runs, MEASURES, of="films")[0]


def test_equal_runs_are_equal_and_have_no_interval():
    values = np.array([0.0, 1.0, np.nan, 0.5, 0.25])
    found = differences(values, values)
    assert found.equal
    assert not found.is_one
    assert np.isnan([found.low, found.high]).all()
    assert found.sentence == "Hits: one and other are equal for all films"
    content = found.as_json()
    assert content["equal"]
    assert content["low"] is content["high"] is None
    assert content["difference"] == 0


def test_differences_that_cancel_out_are_not_equality():
    found = differences([1.0, 0.0] * 4, [0.0, 1.0] * 4)
    assert found.value == 0
    assert not found.equal
    assert found.low < 0 < found.high
    nothing = differences(np.full(3, np.nan), np.full(3, np.nan))
    assert not nothing.equal
    assert nothing.as_json()["difference"] is None


@pytest.mark.parametrize(("measure", "better"), [("hits", "one"), ("misses", "other")])
def test_lower_may_be_better(measure, better):
    found = differences(np.full(20, 0.9), np.full(20, 0.1), measure)
    assert found.is_one
    assert f"{better} is better" in found.sentence


@dataclass(frozen=True)
class Counted(Contender):
    values: np.ndarray

    @property
    def examples(self):
        return {"hits": self.values}

    @property
    def costs(self):
        return {"s": "0.5"}

    @property
    def facts(self):
        return {"seconds": 0.5}


def test_a_comparison_is_told_and_written(tmp_path, capsys):
    runs = [
        Counted(name, {"hits": value}, 1_000, 2**20, np.full(8, value))
        for name, value in (("one", 0.75), ("other", 0.25))
    ]

    def draw():
        with new_figure(3, 2) as (figure, axes):
            axes.plot([0, 1])
            return as_png(figure)

    compared = Comparison(
        runs,
        list(MEASURES.values())[:1],
        find_differences([(one.name, one.examples) for one in runs], MEASURES, of="films"),
        baselines={"guessing": {"hits": 0.5}},
        legend=["What hits are."],
        about=["Eight films."],
        figures={"line": draw, "nothing": lambda: None},
        facts={"device": "cpu"},
    )
    compared.tell(tmp_path)
    said = capsys.readouterr().out
    assert said.startswith("           Hits\none       0.750\nother     0.250\nguessing  0.500\n")
    assert "other       1,000  1.0 MiB  0.5" in said
    assert (tmp_path / "comparison.txt").read_text().strip() in said
    content = json.loads((tmp_path / "comparison.json").read_text())
    assert content["device"] == "cpu"
    assert content["runs"][1]["seconds"] == 0.5
    assert content["differences"][0]["measure"] == "hits"
    assert {path.name for path in tmp_path.iterdir()} == {
        *("comparison.txt", "comparison.json", "line.png", "performance.png")
    }
    compared.tell(None)
    assert mebibytes(None) == "–"


def test_the_chart_has_five_rows_a_bar_for_each_run_and_its_interval(monkeypatch):
    keys = ["a", "loss", "b", "c", "d", "e", "f"]
    measures = [
        Measure(key, key.upper(), "", better="lower" if key == "loss" else "higher") for key in keys
    ]
    one = {key: 0.1 * place for place, key in enumerate(keys)} | {"b": float("nan")}
    other = {key: 0.05 * place for place, key in enumerate(keys)}
    other |= {"c_low": 0.1, "c_high": 0.2}
    drawn = []
    monkeypatch.setattr(figures, "as_png", lambda figure: drawn.append(figure) or b"")
    figures.performance({"one": one, "other": other}, [*measures, Measure("g", "G", "")])
    (axes,) = drawn[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A", "C", "D", "E", "F"]
    widths = [bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(widths, [0, 0.3, 0.4, 0.5, 0.6, 0, 0.15, 0.2, 0.25, 0.3])
    intervals = [line for line in axes.lines if len(set(line.get_ydata())) == 1]
    assert [list(line.get_xdata()) for line in intervals] == [[0.1, 0.2]]
    np.testing.assert_allclose(intervals[0].get_ydata()[0], axes.patches[6].get_y() + 0.18)
    assert "0.150" in {text.get_text().strip() for text in axes.texts}
    assert figures.performance({"one": {}}, measures) is None
