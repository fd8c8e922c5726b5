"""The tables of README.md and of the pages of results come from files."""

import json

import pytest

from reid_jax.errors import UserError
from scripts.tables.render import update_tables
from scripts.tables.results import record_folds, record_run, record_video_pairs
from tests.paths import REPOSITORY

RESULTS = REPOSITORY / "scripts" / "results"
PAGES = [REPOSITORY / "README.md", *sorted(RESULTS.glob("*.md"))]


def test_a_run_replaces_its_older_entry_and_stands_in_the_readme(tmp_path):
    run, results = tmp_path / "run", tmp_path / "results"
    with pytest.raises(UserError, match=r"no report/metrics\.json"):
        record_run(results, run, "demo", "")
    (run / "report").mkdir(parents=True)
    (run / "metrics.jsonl").write_text(
        '{"step": 1, "seconds": 90.0}\n{"step": 2, "seconds": 30.0}\n'
    )
    for rank1 in (0.5, 0.75):
        report = {
            "metrics": {"rank1": rank1, "mAP": 0.25},
            "baselines": {"raw pixels": {"mAP": 0.125}},
        }
        (run / "report" / "metrics.json").write_text(json.dumps(report))
        record_run(results, run, "demo", "drawn animals")
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- table: training -->\nold\n<!-- end -->\nafter\n")
    update_tables(results, readme)
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("<!-- end -->\nafter\n")
    assert "old" not in text
    assert "| `demo`: drawn animals | this network (2 min) | 0.750 | 0.250 |" in text
    assert "|  | raw pixels |  | 0.125 |" in text
    assert "0.500" not in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_shows_what_the_files_say(tmp_path, page):
    copy = tmp_path / page.name
    copy.write_text(page.read_text())
    update_tables(RESULTS, copy)
    assert copy.read_text() == page.read_text()


def test_folds_of_keyframe_runs_are_averaged(tmp_path):
    runs = [tmp_path / "fold0", tmp_path / "fold1"]
    for run, value in zip(runs, (0.25, 0.5), strict=True):
        (run / "report").mkdir(parents=True)
        report = {"metrics": {"kendall_users": value}, "baselines": {"random": {"f1_kts_mean": 1}}}
        (run / "report" / "metrics.json").write_text(json.dumps(report))
    record_folds(tmp_path, runs)
    for _ in range(2):  # the second time in the place of the first
        record_folds(tmp_path, (), runs[:1])
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table: keyframes -->\n<!-- end -->\n")
    update_tables(tmp_path, readme)
    assert "| this network | 0.375 |  |  |  |  |  |  |" in readme.read_text()
    assert "| this network, from images | 0.250 |  |  |  |  |  |  |" in readme.read_text()
    assert "| random |  |  |  |  |  |  | 1.000 |" in readme.read_text()
    kept = json.loads((tmp_path / "keyframes.json").read_text())
    assert kept["each_fold"]["this network"]["kendall_users"] == [0.25, 0.5]
    with pytest.raises(UserError, match="no report on keyframe scores"):
        record_folds(tmp_path, [tmp_path])


def test_pairs_of_videos_are_averaged_over_folds(tmp_path):
    runs = [tmp_path / "fold0", tmp_path / "fold1"]
    for run, auc in zip(runs, (0.5, 1.0), strict=True):
        (run / "report").mkdir(parents=True)
        report = {"this network": {"roc_auc": auc, "kinds": {"same shot": {"roc_auc": 0.25}}}}
        (run / "report" / "pairs.json").write_text(json.dumps(report))
    record_video_pairs(tmp_path, runs)
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table: video_pairs -->\n<!-- end -->\n")
    update_tables(tmp_path, readme)
    assert "| this network | 0.750 | 0.500-1.000 | 0.250 |" in readme.read_text()
    with pytest.raises(UserError, match=r"no report/pairs\.json"):
        record_video_pairs(tmp_path, [tmp_path])


def test_scaling_is_told_by_device(tmp_path):
    row = {"mode": "weak", "devices": 2, "batch": 64, "seconds": 0.5, "sent": {"a": 1e6, "b": 5e5}}
    (tmp_path / "scale_cpu.json").write_text(json.dumps({"device": "a CPU", "measured": [row]}))
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table: scale -->\n<!-- end -->\n")
    update_tables(tmp_path, readme)
    assert "| a CPU | weak | 2 | 64 | 128 | 1.50 |" in readme.read_text()


def test_benchmarks_of_each_device_have_columns_of_their_own(tmp_path):
    row = {
        "suite": "mining",
        "case": "B = 256",
        "device": "a CPU",
        "date": "2026-01-01",
        "ours": 0.25,
        "unit": "s",
        "ratio_to_peer": 2.0,
        "ratio_to_roofline": None,
        "peak_memory_bytes": 3 * 2**20,
        "note": "another loss",
        "versions": {"jax": "1.2.3"},
    }
    (tmp_path / "bench_cpu.json").write_text(json.dumps([row]))
    (tmp_path / "bench_gpu.json").write_text(json.dumps([{**row, "case": "B = 512", "note": None}]))
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table: bench -->\n<!-- end -->\n")
    update_tables(tmp_path, readme)
    assert (
        "| mining | B = 256 | 0.25 s | 2.00 |  | 3 MiB |  |  |  |  | another loss |"
        in readme.read_text()
    )
    assert "| mining | B = 512 |  |  |  |  | 0.25 s | 2.00 |  | 3 MiB |  |" in readme.read_text()
    assert "a CPU: measured 2026-01-01 with jax 1.2.3." in readme.read_text()
