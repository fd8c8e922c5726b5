"""Camtrap DP: what is written is valid by the published schemas, and others' packages are read."""

import json
import socket

import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.decisions import CANNOT_TELL, NO_ANIMAL, Decisions
from reid_jax.individuals.gallery.exchange.camtrap import About, Place, kept_schema
from reid_jax.individuals.gallery.exchange.camtrap_check import wrong_in
from reid_jax.individuals.gallery.exchange.giving import give_out
from reid_jax.individuals.gallery.exchange.taking import take_in
from reid_jax.individuals.gallery.stored.reading import read_gallery
from tests.drawn_gallery import write_drawn
from tests.individuals.gallery.exchange.told import told

pytest.importorskip("frictionless")

NAMES = ("Luna", "Luna", "Tom", "Tom")
DEPLOYMENTS = "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID"
MEDIA = "mediaID,deploymentID,timestamp,filePath,filePublic,fileMediatype"
OBSERVATIONS = (
    "observationID,deploymentID,mediaID,eventStart,eventEnd,observationLevel,observationType,"
    "individualID,bboxX,classificationMethod,observationComments"
)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A package, written where no connection can be opened."""
    folder = tmp_path_factory.mktemp("told")
    full, _ = told(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", None)
        about = About(Place(52.7, 23.8), "Chelonia mydas", "Zoë")
        given = give_out(full, "camtrap-dp", folder / "out", "copy", about)
    return folder / "out", given


def test_it_is_valid_and_says_what_had_to_be_assumed(package):
    folder, given = package
    assert wrong_in(folder) == []
    [remark] = given.remarks
    assert remark.startswith("1 photo has no date, and Camtrap DP needs one: 1970-01-01")
    descriptor = json.loads((folder / "datapackage.json").read_text())
    assert descriptor["temporal"] == {"start": "2021-05-01", "end": "2021-05-05"}
    assert descriptor["taxonomic"] == [{"scientificName": "Chelonia mydas"}]
    assert all((folder / each["path"]).is_file() for each in descriptor["resources"])


@pytest.mark.parametrize(
    ("file", "before", "after", "words"),
    [
        ("datapackage.json", '"opportunistic"', '"by chance"', "project.samplingDesign"),
        ("datapackage.json", '"created"', '"crated"', "'created' is a required property"),
        ("datapackage.json", '"MultiPoint"', '"Blob"', "spatial.type"),
        ("observations.csv", '"animal"', '"beast"', "observationType"),
        ("observations.csv", '"d1"', '"d77"', "d77"),
        ("media.csv", '"media/', '"../', "filePath"),
        ("deployments.csv", '"52.700000"', '"152.7"', "latitude"),
    ],
)
def test_what_is_wrong_is_found(package, tmp_path, file, before, after, words):
    for path in package[0].iterdir():
        if path.is_file():
            text = path.read_text()
            assert path.name != file or before in text
            text = text.replace(before, after) if path.name == file else text
            (tmp_path / path.name).write_text(text)
    wrong = wrong_in(tmp_path)
    assert wrong
    assert words in " ".join(wrong)


def test_places_that_nobody_knows_are_said_to_be_so(tmp_path):
    write_drawn(tmp_path / "gallery", NAMES)
    given = give_out(tmp_path / "gallery", "camtrap-dp", tmp_path / "out")
    assert "1 of 1 camera were taken is not known" in given.remarks[0]
    assert wrong_in(tmp_path / "out") == []
    for text in ("52.7", "91,0", "north,south"):
        with pytest.raises(UserError, match="--place is"):
            Place.read(text)


def write(folder, observations, media=None, **more):
    folder.mkdir(exist_ok=True)
    names = ("deployments", "media", "observations")
    resources = [{"name": name, "path": f"{name}.csv"} for name in names]
    (folder / "datapackage.json").write_text(json.dumps({"resources": resources, **more}))
    (folder / "deployments.csv").write_text(f"{DEPLOYMENTS}\ndep,1,2,,,PC800\n")
    media = media or [f"m{row},dep,2021-05-01T08:30:0{row}+02:00,a/{row}.jpg" for row in range(4)]
    lines = [f"{each},true,image/jpeg" for each in media]
    (folder / "media.csv").write_text("\n".join([MEDIA, *lines]) + "\n")
    (folder / "observations.csv").write_text("\n".join([OBSERVATIONS, *observations]) + "\n")
    return folder


def test_a_package_of_another_program_is_read(tmp_path):
    folder = write_drawn(tmp_path / "gallery", NAMES)
    source = write(
        tmp_path / "theirs",
        [
            "o1,dep,m0,,,media,animal,Zoë,,human,seen",
            "o2,dep,m1,,,media,blank,,,machine,",
            "o3,dep,m2,,,media,animal,Kim,,machine,",
            "o4,dep,,,,event,animal,Kim,,,",
            "o5,dep,m9,,,media,animal,Kim,,,",
        ],
        [f"m{row},dep,2021-05-01T08:30:0{row}+02:00,photos/{row}.jpg" for row in range(4)],
    )
    done = take_in(folder, source, None)
    now = read_gallery(folder, marked=True)
    assert now.identities.tolist() == ["Zoë", "Luna", "Kim", "Tom"]
    assert str(now.columns["date"][0]) == "2021-05-01T08:30:00"
    assert now.columns["camera"].tolist() == ["PC800", "PC800", "PC800", ""]
    photos = list(Decisions(folder).photos().values())
    assert [p.confirmed for p in photos] == [True, False, False, False]
    assert [p.mark for p in photos] == ["", NO_ANIMAL, "", ""]
    assert CANNOT_TELL not in {p.mark for p in photos}
    assert photos[0].note == "seen"
    assert done.skipped == (("line 6 of observations", "its medium m9 is not in the package"),)
    assert "1 observation is about no medium" in done.remarks


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/etc/passwd", "lies at '/etc/passwd', not in the package"),
        ("../media.csv", "lies at '../media.csv', not in the package"),
        ("http://localhost/media.csv", "not in the package"),
        (["media.csv"], "not in the package"),
        ("nowhere.csv", "nowhere.csv cannot be read"),
        ("deployments.csv", "has no column mediaID and no column filePath"),
    ],
)
def test_a_table_that_lies_elsewhere_is_not_read(tmp_path, path, words):
    folder = write_drawn(tmp_path / "gallery", NAMES)
    source = write(tmp_path / "theirs", ["o1,dep,m0,,,media,animal,Zoë,,,"])
    descriptor = json.loads((source / "datapackage.json").read_text())
    descriptor["resources"][1]["path"] = path
    (source / "datapackage.json").write_text(json.dumps(descriptor))
    with pytest.raises(UserError, match=words):
        take_in(folder, source, None)


@pytest.mark.parametrize("text", ["[]", "{}", '{"resources": 3}', '{"resources": [1]}'])
def test_a_descriptor_that_is_none(tmp_path, text):
    folder = write_drawn(tmp_path / "gallery", NAMES)
    (tmp_path / "datapackage.json").write_text(text)
    with pytest.raises(UserError, match=r"no data package|names no table deployments"):
        take_in(folder, tmp_path / "datapackage.json", None)


def test_the_schemas_are_those_that_were_published():
    assert kept_schema("camtrap-dp-profile")["$defs"]["version"]["pattern"] == r"1\.0\.2"
