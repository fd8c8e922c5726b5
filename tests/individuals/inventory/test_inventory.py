"""What a source holds: counted, shown, and what it means for a division."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from reid_jax.commands.main import main
from reid_jax.data.photos.reading import Reading
from reid_jax.data.photos.synthetic import synthetic_dataset
from reid_jax.errors import UserError
from reid_jax.individuals.inventory import twins
from reid_jax.individuals.inventory.look import facts, take_inventory
from reid_jax.individuals.inventory.sheet import as_html
from reid_jax.individuals.inventory.words import as_text, meaning


def small(rows):
    values = np.asarray(rows, np.float32)
    values = values - values.mean(axis=1, keepdims=True)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def bursts_by_loops(labels, dates, pictures, seconds):
    """Every pair looked at, then joined until nothing changes."""
    group = list(range(len(labels)))
    for a in range(len(labels)):
        for b in range(a):
            if labels[a] != labels[b]:
                continue
            days = [
                None if np.isnat(dates[n]) else dates[n].astype("datetime64[D]") for n in (a, b)
            ]
            timed = [
                day is not None and dates[n] != day for n, day in zip((a, b), days, strict=True)
            ]
            if all(timed):
                same = abs((dates[a] - dates[b]) / np.timedelta64(1, "s")) <= seconds
            else:
                same = float(pictures[a] @ pictures[b]) >= twins.BURST_ALIKE
                same = same and (None in days or days[0] == days[1])
            if same:
                old, new = group[a], group[b]
                group = [new if each == old else each for each in group]
    groups = {}
    for row, number in enumerate(group):
        groups.setdefault(number, []).append(row)
    return sorted(tuple(rows) for rows in groups.values() if len(rows) > 1)


@pytest.mark.parametrize("seed", range(8))
def test_bursts_are_those_of_plain_loops(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, 30)
    kinds = rng.integers(0, 4, 30)
    pictures = small(rng.normal(size=(4, 576))[kinds] + 0.05 * rng.normal(size=(30, 576)))
    dates = np.datetime64("2021-05-06T00:00:00") + rng.integers(0, 3, 30) * np.timedelta64(1, "D")
    dates = dates + np.where(rng.random(30) < 0.6, rng.integers(1, 90, 30), 0)
    dates[rng.random(30) < 0.2] = np.datetime64("NaT", "s")
    found = twins.bursts(labels, dates.astype("datetime64[s]"), pictures, 10.0)
    assert sorted(found) == bursts_by_loops(labels, dates, pictures, 10.0)


def test_copies_and_moments():
    digests = np.array([b"a", b"b", b"a", b"c", b"a"])
    assert twins.copies(digests) == ((0, 2, 4),)
    moment = twins.moments(6, ((0, 2, 4),), [(1, 5), (5, 4)])
    assert moment.tolist() == [0, 0, 0, 3, 0, 0]
    assert twins.bursts(np.zeros(0, int), None, np.zeros((0, 576), np.float32), 10) == ()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six individuals of four photos on three days, and what goes wrong."""
    root = tmp_path_factory.mktemp("photos")
    drawn = synthetic_dataset(6, 4, seed=1)
    pixels = drawn.load(np.arange(len(drawn)), 64)
    for row in range(len(drawn)):
        number = row % 4
        exif = Image.Exif()
        exif[0x0132] = f"2021:05:{1 + number % 3:02} 10:00:{7 * number:02}"
        who = root / drawn.identities[drawn.labels[row]]
        who.mkdir(exist_ok=True)
        Image.fromarray(pixels[row]).save(who / f"{number}.png", exif=exif)
    first = root / drawn.identities[0]
    (first / "copy.png").write_bytes((first / "0.png").read_bytes())
    Image.open(first / "1.png").resize((48, 48)).save(first / "smaller.jpg", quality=90)
    (root / "alone").mkdir()
    Image.fromarray(pixels[0][:, ::-1]).save(root / "alone" / "1.png")
    Image.new("RGB", (40, 40), (9, 9, 9)).save(root / "alone2.png")
    (first / "broken.png").write_bytes(b"no picture")
    (root / "-1").mkdir()
    Image.fromarray(pixels[5][::-1]).save(root / "-1" / "junk.png")
    return root


@pytest.fixture(scope="module")
def found(folder):
    return take_inventory(f"folder:{folder}", Reading(exif=True))


def test_everything_is_counted(found, folder):
    seen = facts(found)
    assert (seen["photos"], seen["individuals"], seen["of_nobody"]) == (29, 7, 2)
    assert seen["individuals_with_one_photo"] == ["alone"]
    assert seen["photos_each"] == [1, 4, 6]
    assert seen["shorter_side"] == [40, 64, 64]
    assert seen["endings"] == {".png": 28, ".jpg": 1}
    assert (seen["dated"], seen["days"]) == (25, 3)
    assert (seen["first_day"], seen["last_day"]) == ("2021-05-01", "2021-05-03")
    assert seen["individuals_seen_on_several_days"] == 6
    first = f"{folder}/drawn0000"
    assert seen["copies"] == [[f"{first}/0.png", f"{first}/copy.png"]]
    assert seen["near_duplicates"] == [[f"{first}/1.png", f"{first}/smaller.jpg"]]
    assert seen["nothing_to_see"] == [f"{folder}/alone2.png"]
    assert [each["path"] for each in seen["skipped"]] == [f"{first}/broken.png"]
    json.dumps(seen, allow_nan=False)


def test_each_division_is_tried(found):
    by_method = {each.method: each for each in found.divisions}
    assert set(by_method) == {"identity", "photo", "date", "open", "given"}
    assert by_method["date"].refused == ""
    assert 'needs a column "split"' in by_method["given"].refused
    assert by_method["date"].queries == 6
    sentences = meaning(found)
    assert sentences[0].startswith("Go by --data.split date")
    assert sentences[1].startswith("date: 6 photos are searched for")


def test_what_is_easy_is_said(tmp_path):
    rng = np.random.default_rng(0)
    for who in "abcdef":
        for number in range(4):
            (tmp_path / who).mkdir(exist_ok=True)
            pixels = np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((10, 10, 1)))
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / who / f"{number}.png")
            bytes_of = (tmp_path / who / f"{number}.png").read_bytes()
            (tmp_path / who / f"{number} (1).png").write_bytes(bytes_of)
    photo = take_inventory(f"folder:{tmp_path}", Reading()).divisions
    identity = next(each for each in photo if each.method == "identity")
    assert identity.easy == identity.queries == 16
    said = meaning(take_inventory(f"folder:{tmp_path}", Reading()))
    assert any("16 of those searched for (100%) have a copy" in sentence for sentence in said)


def test_the_page_shows_them(found):
    html = as_html(found)
    for title in ("Individuals", "One photo alone", "The same picture twice", "Nothing to see"):
        assert f"<h2>{title}</h2>" in html
    assert html.count("<img") >= 6 * 3 + 1 + 4 + 1
    assert "http" not in html.replace("http-equiv", "")


def test_a_pile_of_nobodys_photos_is_counted(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(
        tmp_path / "1.png"
    )
    text = as_text(take_inventory(f"folder:{tmp_path}", Reading()))
    assert "of nobody" in text
    assert "No photo has an individual" in text
    assert "identity: impossible." in text


def test_drawn_photos_have_an_inventory():
    seen = facts(take_inventory("synthetic:5x4", Reading(exif=True)))
    assert (seen["photos"], seen["individuals"], seen["skipped"]) == (20, 5, [])


def test_the_command_prints_and_writes(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    words = ["data", f"folder:{folder}", "--out", str(out), "--json", str(tmp_path / "a.json")]
    monkeypatch.setattr(sys, "argv", ["reid-jax", *words])
    main()
    said = capsys.readouterr().out
    assert "exact copies" in said
    assert "Go by --data.split date" in said
    assert {each.name for each in out.iterdir()} == {
        "index.html",
        "inventory.json",
        "skipped.txt",
    }
    assert json.loads((tmp_path / "a.json").read_text())["photos"] == 29


def test_boxes_are_rows(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 90, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "metadata.csv").write_text(
        'path,identity,bbox\na.png,ann,"0,0,30,30"\na.png,bob,"40,0,30,40"\n'
    )
    seen = facts(take_inventory(f"csv:{tmp_path}", Reading(margin=0.1)))
    assert (seen["photos"], seen["files"], seen["boxes"]) == (2, 1, 2)
    assert seen["files_with_several_boxes"] == 1
    assert seen["shorter_side"] == [33, 34.5, 36]


def test_animals_of_one_photo_are_no_burst(tmp_path):
    exif = Image.Exif()
    exif[0x0132] = "2021:05:06 07:08:09"
    for name in ("a", "b"):
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (40, 90, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png", exif=exif)
    rows = [f'{photo}.png,unknown,"{x},0,30,30"' for photo in "aab" for x in (0, 40)]
    (tmp_path / "metadata.csv").write_text("path,identity,bbox\n" + "\n".join(rows[:2]) + "\n")
    assert take_inventory(f"csv:{tmp_path}", Reading(exif=True)).bursts == ()
    (tmp_path / "metadata.csv").write_text("path,identity,bbox\n" + "\n".join(rows[2:]) + "\n")
    assert take_inventory(f"csv:{tmp_path}", Reading(exif=True)).bursts == ((0, 1, 2, 3),)


def test_no_source_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        take_inventory(f"folder:{tmp_path}/gone", Reading())
