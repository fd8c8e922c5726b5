"""Folders as disks, cameras and people leave them: what is a photo, and of whom."""

import os
import shutil
import unicodedata

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from reid_jax.data.photos import describe, load_dataset
from reid_jax.data.photos.images import BadImageError, is_picture, read_image
from reid_jax.errors import UserError


def photo(path, shade=100, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 16), (shade, 20, 30)).save(path, **options)
    return path


def relative(dataset, root):
    return [os.path.relpath(path, root) for path in dataset.paths]


def test_folders_of_services_are_passed_over_and_counted(tmp_path):
    for shade, name in enumerate(("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")):
        photo(tmp_path / name, shade)
    for service in ("@eaDir", "#recycle", "$RECYCLE.BIN", ".Trashes", "lost+found", "X.lrdata"):
        photo(tmp_path / service / "thumbnail.jpg")
        photo(tmp_path / "a" / service / "SYNOPHOTO_THUMB_XL.jpg")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "a" / "._1.jpg").write_bytes(b"x")
    dataset = load_dataset(f"folder:{tmp_path}")
    assert dataset.identities == ("a", "b")
    assert len(dataset) == 4
    assert dataset.skipped == ()
    assert dataset.passed_over == {
        **{"@eaDir/": 2, "#recycle/": 2, "$RECYCLE.BIN/": 2, "lost+found/": 2, ".lrdata/": 2},
        **{"hidden": 3, "Thumbs.db": 1},
    }
    assert "passed over 3 hidden, 2 #recycle/, 2 $RECYCLE.BIN/" in describe(dataset)


@pytest.mark.parametrize(
    "service", ["FOUND.017", "RECYCLED", "[Originals]", "CaptureOne", "X.cocatalog", "_gsdata_"]
)
def test_what_windows_and_photo_programs_keep_is_no_individual(tmp_path, service):
    photo(tmp_path / "a" / "1.jpg")
    photo(tmp_path / service / "old.jpg", 1)
    photo(tmp_path / "a" / service / "old.jpg", 2)
    dataset = load_dataset(f"folder:{tmp_path}")
    assert len(dataset) == 1
    assert sum(dataset.passed_over.values()) == 2


@pytest.mark.parametrize("other", ["zoë 1", "Zoë  1", "Zoë 1 ", "Zoë\u200b 1", "Zoë\u00a01"])
def test_names_that_are_printed_alike_are_named(tmp_path, other):
    for shade, name in enumerate(("Zoë 1", other, "Zoë 2", "Zoe 1")):
        photo(tmp_path / name / "1.jpg", shade)
    dataset = load_dataset(f"folder:{tmp_path}")
    assert len(dataset.identities) == 4
    one, two = sorted(("Zoë 1", other))
    assert dataset.notes == (
        f'"{one}" and "{two}" differ only in case or spaces; are they one individual?',
    )


def test_what_a_picture_is_is_decided_by_content_and_the_rest_is_counted_by_ending(tmp_path):
    folder = tmp_path / "a"
    for shade, name in enumerate(("1.jpg_large", "no ending", "3.JPG.bak", "4.tmp")):
        photo(folder / name, shade, format="JPEG")
    photo(folder / "5.avif")
    photo(folder / "6.dat", format="WEBP")
    photo(folder / "DSC1.CR2", format="JPEG")
    for name in ("MVI1.THM", "1.jpg_original", "1.jpg~"):
        photo(folder / name, format="JPEG")
    (folder / "DSC2.cr2").write_bytes(b"II*\0\x10\0\0\0CR\2\0")
    (folder / "notes.txt").write_text("P5 was seen in May")
    (folder / "more.txt").write_text("BM is the name of a turtle, whose file is long enough to be")
    (folder / "README").write_text("hello")
    (folder / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    (folder / "empty").write_bytes(b"")
    os.mkfifo(folder / "pipe")
    dataset = load_dataset(f"folder:{tmp_path}")
    assert relative(dataset, folder) == [
        *("1.jpg_large", "3.JPG.bak", "4.tmp", "5.avif", "6.dat", "no ending")
    ]
    assert dataset.passed_over == {
        **{".cr2": 2, ".txt": 2, "no ending": 2, ".mp4": 1, "no file": 1},
        **{".thm": 1, ".jpg_original": 1, ".jpg~": 1},
    }


def test_a_raw_file_is_not_read_as_its_thumbnail(tmp_path):
    thumbnail = TiffImagePlugin.ImageFileDirectory_v2()
    thumbnail[254] = 1  # NewSubfileType: a reduced-resolution image
    for name in ("a.tif", "b.nef"):
        photo(tmp_path / name, format="TIFF", tiffinfo=thumbnail)
        assert not is_picture(str(tmp_path / name))
        with pytest.raises(BadImageError, match="raw file, export it as JPEG"):
            read_image(str(tmp_path / name), 16)
    photo(tmp_path / "c.tif")
    assert read_image(str(tmp_path / "c.tif"), 16).shape == (16, 16, 3)
    photo(tmp_path / "renamed.heic", format="JPEG")
    assert read_image(str(tmp_path / "renamed.heic"), 16).shape == (16, 16, 3)


def test_what_this_program_made_beside_photos_is_no_individual(tmp_path):
    photo(tmp_path / "a" / "1.jpg")
    photo(tmp_path / "run" / "report" / "roc.png", 3)
    (tmp_path / "run" / "config.json").write_text("{}")
    (tmp_path / "run" / "checkpoints").mkdir()
    photo(tmp_path / "gallery" / "generation-000001" / "x.png", 4)
    (tmp_path / "gallery" / "CURRENT").write_text("generation-000001\n")
    for name in ("keyframe_01.jpg", "contact_sheet.jpg", "timeline.png"):
        photo(tmp_path / "b" / name, 5)
    (tmp_path / "b" / "keyframes.json").write_text('{"keyframes": [], "scored_frames": []}')
    dataset = load_dataset(f"folder:{tmp_path}")
    assert relative(dataset, tmp_path) == ["a/1.jpg", "b/keyframe_01.jpg"]
    assert dataset.passed_over == {"of a run/": 1, "of a gallery/": 1, "beside keyframes": 3}
    used = {str(tmp_path / "run" / "report" / "roc.png")}
    assert load_dataset(f"folder:{tmp_path}", keep=used).identities == ("a", "b", "run")


@pytest.mark.parametrize("name", ["unknown", "Unknown", "UNKNOWN ", "nan", "None"])
def test_a_folder_that_names_nobody_is_no_individual(tmp_path, name):
    photo(tmp_path / "a" / "1.jpg")
    photo(tmp_path / name / "2.jpg", 3)
    photo(tmp_path / "loose.jpg", 4)
    dataset = load_dataset(f"folder:{tmp_path}")
    assert dataset.identities == ("a",)
    assert {os.path.basename(path): reason for path, reason in dataset.skipped} == {
        "2.jpg": f'nobody is called "{name}"',
        "loose.jpg": "not in the folder of an individual",
    }
    everybody = load_dataset(f"folder:{tmp_path}", unnamed=True)
    assert set(everybody.identities) == {"a", name, "unknown"}
    kept = load_dataset(f"folder:{tmp_path}", keep={str(tmp_path / name / "2.jpg")})
    assert set(kept.identities) == {"a", name}


def test_a_nameless_pile_is_refused_and_can_be_embedded(tmp_path):
    for shade, name in enumerate(("2.png", "1.png")):
        photo(tmp_path / name, shade)
    with pytest.raises(UserError, match=r"2 were skipped.*not in the folder of an individual"):
        load_dataset(f"folder:{tmp_path}")
    dataset = load_dataset(f"folder:{tmp_path}", unnamed=True)
    assert dataset.identities == ("unknown",)
    assert relative(dataset, tmp_path) == ["1.png", "2.png"]


def test_one_name_in_two_unicode_forms_is_one_individual(tmp_path):
    both = [unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD")]
    assert both[0] != both[1]
    for shade, name in enumerate([*both, "Zo", "Zz"]):
        photo(tmp_path / name / "1.jpg", shade)
    dataset = load_dataset(f"folder:{tmp_path}")
    # In the order of the names on the disk, as ever: the labels of older runs stay what they were.
    assert dataset.identities == ("Zo", both[0], "Zz")
    assert np.bincount(dataset.labels).tolist() == [1, 2, 1]


def test_a_photo_linked_into_two_individuals_is_taken_once_and_named(tmp_path):
    first = photo(tmp_path / "a" / "1.jpg")
    photo(tmp_path / "b" / "2.jpg", 3)
    (tmp_path / "b" / "link.jpg").symlink_to(first)
    (tmp_path / "a" / "same.jpg").hardlink_to(first)
    shutil.copy(first, tmp_path / "b" / "copy.jpg")
    dataset = load_dataset(f"folder:{tmp_path}")
    assert relative(dataset, tmp_path) == ["a/1.jpg", "b/2.jpg", "b/copy.jpg"]
    assert {os.path.basename(path): reason for path, reason in dataset.skipped} == {
        "link.jpg": f"the same file as {first}, which is of a",
        "same.jpg": f"the same file as {first}",
    }
    copies = f"{first} and {tmp_path / 'b' / 'copy.jpg'}"
    assert dataset.notes == (
        f"2 photos are exact copies of one of another individual, such as {copies}",
    )
    used = {str(tmp_path / "b" / "link.jpg")}
    assert len(load_dataset(f"folder:{tmp_path}", keep=used)) == 4, "as a run has used it"


def test_what_a_run_has_used_is_found_in_folders_that_are_passed_over_now(tmp_path):
    photo(tmp_path / "a" / "1.jpg")
    photo(tmp_path / "@eaDir" / "x" / "thumb.jpg", 3)
    photo(tmp_path / "@eaDir" / "y" / "thumb.jpg", 4)
    used = {str(tmp_path / "@eaDir" / "x" / "thumb.jpg")}
    dataset = load_dataset(f"folder:{tmp_path}", keep=used)
    assert set(relative(dataset, tmp_path)) > {"@eaDir/x/thumb.jpg", "a/1.jpg"}


def test_sub_folders_of_individuals_are_asked_about(tmp_path):
    for shade, name in enumerate(("bay/t1/1.jpg", "bay/t2/1.jpg", "reef/t3/1.jpg", "t4/1.jpg")):
        photo(tmp_path / name, shade)
    dataset = load_dataset(f"folder:{tmp_path}")
    note = "2 individuals have sub-folders (bay, reef); were the inner ones meant?"
    assert dataset.notes == (note,)
    assert note in describe(dataset)
    assert load_dataset(f"folder:{tmp_path / 'bay'}").notes == ()
