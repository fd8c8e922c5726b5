"""A search by local features and by both, as `evaluate` reports it."""

import numpy as np
import pytest

from reid_jax.data.photos import Dataset, QueryGallery
from reid_jax.individuals.evidence import judge
from reid_jax.individuals.evidence.judge import NAMES, Known, evaluate_evidence
from reid_jax.individuals.evidence.search import Reach
from reid_jax.individuals.run import evaluate_run
from tests.individuals.gallery.test_evidence import save_photos
from tests.tiny_run import make_tiny_run

pytestmark = pytest.mark.usefixtures("opencv")
BY_LOCAL, BY_BOTH = NAMES["local"], NAMES["fused"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = save_photos(tmp_path_factory.mktemp("photos"), range(8), 3)
    paths = np.array(
        [str(folder / f"animal {who}" / f"{n}.png") for who in range(8) for n in range(3)]
    )
    return Dataset(paths, np.repeat(np.arange(8), 3).astype(np.int32), tuple("abcdefgh"))


def embedded(photos):
    """Embeddings that say little."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(photos), 6))
    return (noise + 0.5 * np.eye(8)[photos.labels, :6]).astype(np.float32)


def test_photos_are_found_by_their_features_where_the_network_knows_little(photos):
    z, everyone = embedded(photos), np.arange(len(photos))
    known = Known(photos, np.zeros(len(photos), bool), embedded)
    found = evaluate_evidence(
        z,
        photos,
        QueryGallery(everyone, everyone),
        evidence="fused",
        metric="cosine",
        known=known,
    )
    assert set(found) == {BY_LOCAL, BY_BOTH}
    for values in found.values():
        assert values["rank1"] > 0.9
        assert values["rank1_low"] <= values["rank1"] <= values["rank1_high"]
        assert values["num_queries"] == 24
        assert values["ms_per_query"] > 0
    by_ranks = evaluate_evidence(
        z, photos, QueryGallery(everyone, everyone), evidence="fused", metric="cosine", known=None
    )
    assert by_ranks[BY_LOCAL]["rank1"] == found[BY_LOCAL]["rank1"]
    assert by_ranks[BY_BOTH]["mAP"] != found[BY_BOTH]["mAP"]


def test_who_is_not_compared_comes_last_as_the_network_ranks(photos, monkeypatch):
    z, query, gallery = embedded(photos), np.arange(0, 24, 3), np.arange(24)[np.arange(24) % 3 > 0]
    seen = {}

    def kept(blocks, **rules):
        seen["distances"] = np.concatenate([distances for _, distances in blocks])
        return original([(np.arange(8), seen["distances"])], **rules)

    original = judge.evaluate_distances
    monkeypatch.setattr(judge, "evaluate_distances", kept)
    evaluate_evidence(
        z,
        photos,
        QueryGallery(query, gallery),
        evidence="local",
        metric="cosine",
        known=None,
        reach=Reach(whole=10, nearest=4),
    )
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    network = np.argsort(-(unit[query] @ unit[gallery].T), axis=1)
    ranked = np.argsort(seen["distances"], axis=1)
    assert (np.sort(ranked[:, :4], axis=1) == np.sort(network[:, :4], axis=1)).all()
    assert (ranked[:, 4:] == network[:, 4:]).all()


@pytest.mark.exhaustive
def test_evaluate_says_how_good_both_are(photos, tmp_path, capsys):
    folder = save_photos(tmp_path / "trained", range(100, 110), 4)
    run = make_tiny_run(tmp_path / "run", source=f"folder:{folder}")
    plain = evaluate_run(run, evidence="none")
    assert BY_LOCAL not in capsys.readouterr().out
    assert evaluate_run(run) == plain
    said = capsys.readouterr().out
    assert BY_LOCAL in said
    assert BY_BOTH in said
    assert "2,000 at most" in said
    assert BY_BOTH in (run / "report" / "index.html").read_text()
