"""Names of files and folders: whatever somebody is called, nothing leads elsewhere."""

import re
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax.data.crops import Box
from reid_jax.individuals.gallery.exchange.camtrap import file_path, kept_schema
from reid_jax.individuals.gallery.exchange.content import (
    Content,
    Said,
    relative_name,
    root_of,
)
from reid_jax.individuals.gallery.exchange.naming import (
    apart,
    folders_of,
    names_below,
    names_by_individual,
    safe_name,
    same,
)

ODD = st.text(st.one_of(st.characters(), st.sampled_from("./\\:~ \u202e%#\0\n")), max_size=300)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Zoë", "Zoë"),
        ("Zoe\u0308", "Zoë"),
        ("李 小龍", "李 小龍"),
        ("../../etc/passwd", "______etc_passwd"),
        (".hidden", "_hidden"),
        ("~root", "_root"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("C:\\x.jpg", "C__x.jpg"),
        ("a..b.jpg", "a__b.jpg"),
        ("dot.", "dot_"),
        ("", "_"),
        ("  ", "_"),
        ("tab\tline\n", "tab_line_"),
        ("gpj.\u202eexe", "gpj._exe"),
        ("ع" * 200 + ".jpg", "ع" * 58 + ".jpg"),
    ],
)
def test_a_name_that_all_systems_take(name, safe):
    assert safe_name(name) == safe


@given(ODD)
def test_any_name_stays_in_its_folder(name):
    safe = safe_name(name)
    assert safe == safe_name(safe)
    assert 0 < len(safe.encode()) <= 124
    assert PurePosixPath("top", safe).parent == PurePosixPath("top")
    windows = PureWindowsPath("top", safe)
    assert windows.parent == PureWindowsPath("top")
    assert not windows.is_reserved()
    assert not safe.startswith(".")
    assert safe not in (".", "..")


@given(st.lists(ODD, max_size=8))
def test_folders_of_two_individuals_are_never_one(names):
    folders = folders_of(names)
    assert set(folders) == set(names)
    assert len({same(folder) for folder in folders.values()} | {"unknown"}) == len(folders) + 1


def test_names_that_a_system_takes_for_one_are_numbered():
    assert apart(["a.jpg", "A.jpg", "a 2.jpg", "a.jpg"]) == [
        "a.jpg",
        "A 2.jpg",
        "a 2 2.jpg",
        "a 3.jpg",
    ]


def test_file_names_come_once_among_all_individuals():
    box = Box(1, 2, 3, 4)
    photos = [
        Said("/p/x/1.jpg", None, "aa", {"individual": "Luna"}),
        Said("/p/y/1.jpg", None, "bb", {"individual": "Tom"}),
        Said("/p/y/2.jpg", None, "cc", {"individual": "Tom"}),
        Said("/p/y/3.jpg", box, "dd", {"individual": "Tom", "mark": "cannot tell"}),
    ]
    content = Content(photos, root="/p")
    assert names_by_individual(content) == [
        "Luna/1.aa.jpg",
        "Tom/1.bb.jpg",
        "Tom/2.jpg",
        "unknown/3.dd.jpg",
    ]
    assert names_below(content, "images")[:2] == ["images/x/1.jpg", "images/y/1.jpg"]


def test_paths_are_below_what_holds_all_of_them():
    assert root_of(["/media/usb/a/1.jpg", "/media/usb/b/2.jpg"]) == "/media/usb"
    assert root_of(["/media/a/1.jpg", "/home/2.jpg"]) == ""
    assert relative_name("/media/a/1.jpg", "") == "media/a/1.jpg"
    assert relative_name("C:/media/1.jpg", "") == "C/media/1.jpg"
    assert relative_name("/media/usb/a/1.jpg", "/media/usb") == "a/1.jpg"
    assert relative_name("s3://bucket/a/1.jpg", "s3://bucket") == "a/1.jpg"
    assert relative_name("s3://bucket/a/1.jpg", "") == "s3://bucket/a/1.jpg"


@given(ODD.filter(lambda name: name.strip("/")))
def test_paths_of_a_package_are_what_the_standard_takes(name):
    [pattern] = [
        field["constraints"]["pattern"]
        for field in kept_schema("media")["fields"]
        if field["name"] == "filePath"
    ]
    written = file_path(relative_name(f"/{name}", ""))
    assert re.search(pattern, written)
