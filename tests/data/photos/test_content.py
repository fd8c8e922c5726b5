"""Exact copies of photos are known by their content, whatever they are called."""

import hashlib
import shutil

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reid_jax.data.digests import file_digest
from reid_jax.data.photos import load_dataset
from reid_jax.data.photos.content import content_digests, has_copy, shared_by_individuals


def test_copies_of_files_have_one_digest_and_a_subset_keeps_it(tmp_path):
    for shade, name in enumerate(("a/1.png", "a/2.png", "b/3.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 16), (shade, 20, 30)).save(tmp_path / name)
    shutil.copy(tmp_path / "a" / "1.png", tmp_path / "b" / "other name.jpg")
    dataset = load_dataset(f"folder:{tmp_path}")
    digests = content_digests(dataset)
    assert digests.dtype == np.dtype("S32")
    assert digests[0] == digests[3]
    assert len(np.unique(digests)) == 3
    content = (tmp_path / "a" / "1.png").read_bytes()
    assert digests[0] == hashlib.blake2b(content, digest_size=16).hexdigest().encode()
    assert file_digest(str(tmp_path / "a" / "1.png")) == digests[0]
    assert content_digests(dataset.subset(np.array([3, 1]))).tolist() == digests[[3, 1]].tolist()


def test_photos_in_memory_are_known_by_their_pixels():
    dataset = load_dataset("synthetic:2x3")
    twice = dataset.subset(np.array([0, 1, 0]))
    digests = content_digests(twice)
    assert digests[0] == digests[2] != digests[1]
    assert digests.tolist() == content_digests(dataset)[[0, 1, 0]].tolist()


@given(
    st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), min_size=1, max_size=12),
    st.integers(0, 2**12),
    st.integers(0, 2**12),
)
def test_who_has_a_copy_matches_a_loop(contents, asked, shown):
    digests = np.array(contents, "S32")
    query = np.array([i for i in range(len(digests)) if asked >> i & 1], np.int64)
    gallery = np.array([i for i in range(len(digests)) if shown >> i & 1], np.int64)
    expected = [any(digests[q] == digests[g] and q != g for g in gallery) for q in query]
    assert has_copy(digests, query, gallery).tolist() == expected


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(0, 2)), max_size=12))
def test_copies_of_other_individuals_match_a_loop(photos):
    digests = np.array([content for content, _ in photos], "S32")
    labels = np.array([who for _, who in photos], np.int32)
    expected = {
        i
        for i, (content, who) in enumerate(photos)
        if any(content == other and who != whose for other, whose in photos)
    }
    found = shared_by_individuals(digests, labels)
    assert sorted(found.tolist()) == sorted(expected)
    assert digests[found].tolist() == sorted(digests[found].tolist())
