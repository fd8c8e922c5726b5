"""The report: what is in the folder, what is on the page, and that odd inputs do not break it."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest

from reid_jax.data.photos import Dataset
from reid_jax.individuals import findings, report
from reid_jax.individuals.flatten import tsne
from reid_jax.individuals.measures import evaluate_embeddings, evaluate_in_detail
from reid_jax.individuals.report import write_report
from reid_jax.ops.ranking.retrieval import nearest


def photos(individuals=6, each=5, channels=3, names=None, columns=None, size=32):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(individuals), each).astype(np.int32)
    number = len(labels)
    return Dataset(
        paths=np.array([f"photos/{i:04}.jpg" for i in range(number)]),
        labels=labels,
        identities=tuple(names or (f"t{i:03}" for i in range(individuals))),
        columns=columns or {},
        pixels=rng.integers(0, 256, (number, size, size, channels)).astype(np.uint8),
    )


def write(folder, dataset, embeddings, query=None, gallery=None, **more):
    everything = np.arange(len(dataset))
    query = everything if query is None else query
    gallery = everything if gallery is None else gallery
    metrics, details = evaluate_in_detail(
        embeddings, dataset.labels, query, gallery, columns=dataset.columns
    )
    defaults = {"baselines": {"raw pixels": metrics}, "history": []}
    write_report(
        folder,
        title="A <test> & more",
        embeddings=embeddings,
        dataset=dataset,
        query=query,
        gallery=gallery,
        metrics=metrics,
        details=details,
        **(defaults | more),
    )
    return metrics


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.images, self.links, self.open, self.words, self.anchors = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "img":
            self.images.append(attrs["src"])
        self.anchors += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs[name] for name in ("href", "src") if name in attrs]
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_everything_is_written_and_the_page_stands_alone(tmp_path):
    rng = np.random.default_rng(1)
    columns = {
        "date": np.tile(np.array(["2020-05-01", "NaT"], "datetime64[s]"), 15),
        "orientation": np.tile(np.array(["left", "right", "top"]), 10),
        "drawer": np.arange(30),
    }
    dataset = photos(columns=columns)
    embeddings = rng.standard_normal((6, 8))[dataset.labels] + rng.standard_normal((30, 8))
    history = [{"step": i, "loss": 1 / (i + 1), "learning_rate": 0.1} for i in range(30)]
    history += [
        {"step": 10 * i, "validation/mAP": 0.1 * i, "validation/rank1": None} for i in (1, 2)
    ]
    metrics = write(tmp_path, dataset, embeddings, history=history)

    pictures = (
        "loss_curve",
        "cmc",
        "roc",
        "det",
        "scores",
        "embedding",
        "embedding_photos",
        "strips",
    )
    for name in pictures:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    assert not list(tmp_path.glob(".*"))  # nothing half-written left behind

    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written["metrics"]["mAP"] == metrics["mAP"]
    assert set(written["groups"]) == {"orientation", "year", "individual"}
    assert sum(row["queries"] for row in written["groups"]["orientation"].values()) == 30
    assert set(written["groups"]["year"]) == {"2020", "not given"}

    page = Page((tmp_path / "index.html").read_text())
    assert not page.open
    anchors = [link for link in page.links if not link.startswith("data:image/")]
    assert all(link[0] == "#" and link[1:] in page.anchors for link in anchors)
    assert len(page.images) > 70
    text = "".join(page.words)
    assert "A <test> & more" in text
    assert "By orientation" in text
    html = (tmp_path / "index.html").read_text()
    for word, meaning in (("Rank-1", "single best match"), ("raw pixels", "32 x 32 pixels")):
        assert f">{word}</a></t" in html
        assert text.count(word) > 1
        assert meaning in text
    for word in ("frozen features", "AUROC", "whitening"):
        assert word not in text
    assert "| raw pixels |" in (tmp_path / "tables.md").read_text()


def test_sides_are_shown_where_no_other_column_says_them():
    per_query = {"ap": np.ones(4), "cmc@1": np.ones(4)}
    sides, rows = np.array(["left", "right", "left", ""]), np.arange(4)
    found = findings._groups({"side": sides}, rows, per_query)
    assert [row.name for row in found["side"]] == ["left", "not given", "right"]
    columns = {"side": sides, "orientation": np.array(["Left", "right", "left", ""])}
    assert set(findings._groups(columns, rows, per_query)) == {"orientation"}


def test_findings_match_loops():
    rng = np.random.default_rng(2)
    dataset = photos(5, 6, columns={"camera": np.tile([0, 1, 2], 10)})
    embeddings = rng.standard_normal((30, 3)).astype(np.float32)
    query, gallery = np.arange(0, 30, 3), np.arange(30)
    _, details = evaluate_in_detail(
        embeddings, dataset.labels, query, gallery, columns=dataset.columns, metric="euclidean"
    )
    found = findings.find(
        embeddings, dataset, query, gallery, metric="euclidean", seed=0, details=details
    )
    labels, camera = dataset.labels, dataset.columns["camera"]
    wrong = {}
    for place, q in enumerate(query):
        left = [
            g for g in gallery if g != q and not (labels[g] == labels[q] and camera[g] == camera[q])
        ]
        left.sort(key=lambda g: (np.linalg.norm(embeddings[g] - embeddings[q]), g))
        right = [labels[g] == labels[q] for g in left]
        assert found.first_rank[place] == right.index(True) + 1
        if not right[0]:
            pair = tuple(sorted((labels[q], labels[left[0]])))
            wrong[pair] = wrong.get(pair, 0) + 1
        for strip in found.sample:
            if strip.query == q:
                assert strip.matches.tolist() == left[: len(strip.matches)]
    assert {(c.first, c.second): c.count for c in found.confusions} == wrong
    assert len(found.sample) == 10
    assert len(found.individuals) == 5


@pytest.mark.parametrize("channels", [1, pytest.param(3, marks=pytest.mark.exhaustive)])
def test_two_dimensions_few_classes_no_history(tmp_path, channels):
    dataset = photos(3, 20, channels, names=("shoe", "a|b", "<bag>"))
    embeddings = np.eye(3)[dataset.labels][:, :2] + 0.01 * np.arange(60)[:, None]
    write(tmp_path, dataset, embeddings, metric="euclidean", baselines={})
    assert (tmp_path / "embedding.png").is_file()
    assert not (tmp_path / "loss_curve.png").exists()
    assert "a\\|b" in (tmp_path / "tables.md").read_text()
    assert "<bag>" not in (tmp_path / "index.html").read_text()


def test_names_that_are_no_unicode_or_look_like_formulas_are_written(tmp_path):
    dataset = photos(3, 20, names=("t\udce9rtle", "$x_{$", "a$b$"))
    embeddings = np.eye(3)[dataset.labels][:, :2] + 0.01 * np.arange(60)[:, None]
    write(tmp_path, dataset, embeddings, metric="euclidean", baselines={})
    for name in ("tables.md", "index.html", "metrics.json"):
        assert "rtle" in (tmp_path / name).read_text("utf-8"), name
    assert "t\\udce9rtle" in (tmp_path / "index.html").read_text()


def test_perfect_and_hopeless(tmp_path):
    dataset = photos(4, 2)
    write(tmp_path / "perfect", dataset, np.eye(4)[dataset.labels])
    assert "taken for each other" not in (tmp_path / "perfect" / "index.html").read_text()
    # No query has a match, and all embeddings are the same.
    write(tmp_path / "hopeless", dataset, np.ones((8, 3)), np.array([0, 1]), np.array([4, 6]))
    assert (
        json.loads((tmp_path / "hopeless" / "metrics.json").read_text())["metrics"]["mAP"] is None
    )
    assert "–" in (tmp_path / "hopeless" / "index.html").read_text()


def test_map_takes_whole_individuals_of_many(monkeypatch):
    monkeypatch.setattr(report, "_MAP_POINTS", 50)
    labels = np.repeat(np.arange(40), 5)
    rows = report._map_rows(labels, np.arange(10, 200), seed=0)
    assert 40 <= len(rows) <= 50
    assert (np.bincount(labels[rows])[np.unique(labels[rows])] == 5).all()
    few = report._map_rows(np.repeat(np.arange(3), 100), np.arange(300), seed=0)
    assert len(few) == 50


def test_tsne_keeps_neighbours_together_and_is_deterministic():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(8), 25)
    points = 4 * rng.standard_normal((8, 20))[labels] + rng.standard_normal((200, 20))
    points -= points.mean(axis=0)
    left, size, _ = np.linalg.svd(points, full_matrices=False)
    flat = tsne(left * size)
    distance = np.square(flat[:, None] - flat[None]).sum(-1)
    np.fill_diagonal(distance, np.inf)
    assert np.mean(labels[distance.argmin(axis=1)] == labels) > 0.98
    np.testing.assert_array_equal(flat, tsne(left * size))
    assert np.isfinite(tsne(np.zeros((9, 4)))).all()  # all the same photo


def test_only_what_is_shown_or_wrong_is_searched_again(tmp_path, monkeypatch):
    """Of a hundred thousand photos sixteen are shown."""
    rng = np.random.default_rng(4)
    dataset = photos(40, 5)
    embeddings = rng.standard_normal((40, 8))[dataset.labels] + 0.6 * rng.standard_normal((200, 8))
    embeddings = embeddings.astype(np.float32)
    every = np.arange(200)
    metrics, details = evaluate_in_detail(embeddings, dataset.labels, every, every)
    asked = []

    def recorded(queries, *arguments, **options):
        asked.append(len(queries))
        return nearest(queries, *arguments, **options)

    monkeypatch.setattr(findings, "nearest", recorded)
    options = {"metric": "cosine", "seed": 0}
    found = findings.find(embeddings, dataset, every, every, details=details, **options)
    wrong = round(200 * (1 - metrics["rank1"]))
    assert 6 < wrong < 100
    assert sorted(asked) == sorted([wrong, 10, 6])
    scores, match = nearest(
        embeddings, embeddings, 7, query_index=every, gallery_index=every, query_ids=every
    )
    for strip in found.sample + found.mistakes:
        np.testing.assert_array_equal(strip.matches, match[strip.query])
        np.testing.assert_allclose(strip.scores, scores[strip.query], rtol=1e-6)
    best = dataset.labels[match[:, 0]]
    assert sum(pair.count for pair in found.confusions) == int(np.sum(best != dataset.labels))


def test_a_baseline_judged_by_a_part_says_so(tmp_path):
    dataset = photos()
    embeddings = np.random.default_rng(5).standard_normal((30, 8))
    every = np.arange(30)
    part = evaluate_embeddings(embeddings, dataset.labels, every[:7], every)
    write(tmp_path, dataset, embeddings, baselines={"raw pixels": part})
    text = "".join(Page((tmp_path / "index.html").read_text()).words)
    assert "raw pixels were judged by 7 of the 30 photos, drawn at random." in text
    write(tmp_path, dataset, embeddings)
    assert "were judged by" not in (tmp_path / "index.html").read_text()
