"""Films looked up in a gallery: a track is one answer, and says when it is seen."""

import json
from pathlib import Path

import numpy as np
import pytest

from reid_jax.data.photos.images import read_image
from reid_jax.data.photos.reading import Reading
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.films.boxes import read_boxes
from reid_jax.individuals.gallery.films.identify import identify_films, tracks_text
from reid_jax.individuals.gallery.members import build
from reid_jax.weights import scenes
from tests.doors import call
from tests.individuals.gallery.test_gallery import save_photos
from tests.tiny_run import make_tiny_run

av = pytest.importorskip("av")

WIDE, HIGH, RATE = 320, 160, 10
FACE = 64
WALKS = {0: range(0, 30), 1: range(10, 40)}
"""Animal 0 walks to the right, animal 1 below it to the left."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    save_photos(folder, {f"turtle {i}": i for i in range(6)}, 4)
    return folder


@pytest.fixture(scope="module")
def gallery(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("galleries")
    build(make_tiny_run(folder / "run"), f"folder:{photos}", folder / "gallery", evidence="none")
    return folder / "gallery"


@pytest.fixture(autouse=True)
def without_weights(monkeypatch):
    monkeypatch.setattr(scenes, "_variables", lambda: None)


def place(animal: int, frame: int) -> tuple[int, int]:
    return (4 * frame, 8) if animal == 0 else (240 - 4 * frame, 88)


def write_film(path: Path, frames) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDE, HIGH, "yuv420p"
        stream.bit_rate = 8_000_000
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def walk(photos, tmp_path_factory):
    """A film of two animals, and MegaDetector's boxes of both."""
    folder = tmp_path_factory.mktemp("films")
    faces = [read_image(str(photos / f"turtle {animal}" / "0.png"), FACE) for animal in WALKS]
    frames, detections = [], []
    for number in range(40):
        pixels = np.full((HIGH, WIDE, 3), 90, np.uint8)
        for animal, there in WALKS.items():
            if number in there:
                left, top = place(animal, number)
                pixels[top : top + FACE, left : left + FACE] = faces[animal]
                box = [left / WIDE, top / HIGH, FACE / WIDE, FACE / HIGH]
                detections.append(
                    {"category": "1", "conf": 0.9, "bbox": box, "frame_number": number}
                )
        frames.append(pixels)
    detections += [
        {"category": "1", "conf": 0.05, "bbox": [0, 0, 1, 1], "frame_number": 3},
        {"category": "2", "conf": 0.9, "bbox": [0, 0, 1, 1], "frame_number": 3},
        {"category": "1", "conf": 0.9, "bbox": [0, 0, 1, 1], "frame_number": 77},
        {"category": "1", "conf": 0.9, "bbox": [0.1, 0.1, 0.02, 0.5], "frame_number": 4},
    ]
    write_film(folder / "walk.mp4", frames)
    content = {"images": [{"file": "day/walk.mp4", "detections": detections}]}
    (folder / "boxes.json").write_text(json.dumps(content))
    return folder / "walk.mp4", folder / "boxes.json"


def test_each_animal_is_one_answer_with_its_times(gallery, walk):
    film, boxes = walk
    found, tracks, notes = identify_films(gallery, [film], boxes)
    assert [answer.candidates[0].identity for answer in found.answers] == ["turtle 0", "turtle 1"]
    assert [track.frames for track in tracks] == [30, 30]
    np.testing.assert_allclose([tracks[0].start, tracks[0].end], [0, 2.9], atol=0.01)
    np.testing.assert_allclose([tracks[1].start, tracks[1].end], [1, 3.9], atol=0.01)
    assert all(track.start <= track.best_time <= track.end for track in tracks)
    assert found.answers[1].path == f"{film}#t=1,3.9&track=2"
    assert set(found.pictures) == {answer.path for answer in found.answers}
    assert notes[0] == "1 box is left out, of a confidence below 0.2"
    assert notes[1] == "1 box is left out, of other categories"
    assert notes[2].startswith("walk.mp4: 2 tracks; boxes of following frames are linked")
    reasons = [why for _, why in found.skipped]
    assert reasons[0] == "there is no frame 77: the film has 40, from 0 on"
    assert reasons[1] == "its box is 6 x 80 pixels"
    text = tracks_text(tracks, [answer.text for answer in found.answers], notes)
    assert "walk.mp4 0:01.0 - 0:03.9: " in text


def test_without_boxes_a_scene_is_one_track_and_it_says_so(gallery, photos, tmp_path):
    shots = [
        np.pad(
            read_image(str(photos / f"turtle {animal}" / "1.png"), HIGH), ((0, 0), (80, 80), (0, 0))
        )
        for animal in (2, 3, 4)
    ]
    film = write_film(tmp_path / "shots.mp4", [shot for shot in shots for _ in range(15)])
    found, tracks, notes = identify_films(gallery, [film])
    assert notes == [
        "shots.mp4: 3 tracks; a scene is one track, as no boxes are given (scenes by colour "
        "histograms)"
    ]
    assert [(round(t.start, 1), round(t.end, 1)) for t in tracks] == [
        (0.0, 1.4),
        (1.5, 2.9),
        (3.0, 4.4),
    ]
    assert len(found.answers) == 3
    assert not any(track.boxed for track in tracks)


def test_the_command_answers_for_films_and_writes_all_its_files(gallery, walk, tmp_path, capsys):
    film, boxes = walk
    places = [tmp_path / f"answers.{kind}" for kind in ("json", "html", "csv")]
    call(
        *("gallery", "identify", gallery, film, "--boxes", boxes),
        *("--json", places[0], "--html", places[1], "--table", places[2]),
    )
    assert "0:00.0 - 0:02.9: turtle 0" in capsys.readouterr().out
    said = json.loads(places[0].read_text())
    assert [each["photo"] for each in said["photos"]] == [
        f"{film}#t=0,2.9&track=1",
        f"{film}#t=1,3.9&track=2",
    ]
    page = places[1].read_text()
    assert "no picture" not in page
    assert "walk.mp4#t=1,3.9" in page
    assert "turtle 1" in places[2].read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no.jpg", "--boxes", "BOXES"), "--boxes is of films"),
        (("FILM", "no.jpg"), "Films are looked up without photos beside them"),
        (("FILM", "--index", "faiss"), "by --index exact"),
        (("FILM", "--boxes", "no.json"), "no.json cannot be read"),
    ],
)
def test_what_cannot_be_looked_up_is_one_sentence(gallery, walk, capsys, words, said):
    places = dict(zip(("FILM", "BOXES"), walk, strict=True))
    with pytest.raises(SystemExit) as end:
        call("gallery", "identify", gallery, *(places.get(word, word) for word in words))
    assert end.value.code == 1
    assert said in capsys.readouterr().err


def test_a_film_that_is_none_is_named_and_others_are_answered(gallery, walk, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film at all")
    with pytest.raises(UserError, match=r"broken\.mp4"):
        identify_films(gallery, [broken])
    found, _, _ = identify_films(gallery, [walk[0], broken])
    assert [Path(path).name for path, _ in found.skipped] == ["broken.mp4"]
    assert found.answers


READING = Reading()


def read(tmp_path, name, text, film="walk.mp4"):
    (tmp_path / name).write_text(text)
    return read_boxes(tmp_path / name, Path(film), 40, READING)


def test_boxes_of_frames_in_files_of_their_own_and_in_a_table(tmp_path):
    images = [
        {
            "file": f"walk.mp4/frame{n:06d}.jpg",
            "detections": [{"category": "1", "conf": 1, "bbox": b}],
        }
        for n, b in ((7, [0, 0, 0.5, 0.5]), (3, [0, 0, 0.5, 1]), (4, [0, 0, 0, 1]))
    ]
    images.append({"file": "other.mp4/frame000009.jpg", "detections": images[0]["detections"]})
    found = read(tmp_path, "boxes.json", json.dumps({"images": images}))
    assert list(found.boxes) == [3, 7]
    assert found.boxes[7][0].percent
    assert [why for _, why in found.skipped] == ["its box [0, 0, 0, 1] is empty"]
    rows = ['walk.mp4,5,"[1, 2, 30, 40]"', 'walk.mp4,x,"[1, 2, 3, 4]"', 'b.mp4,1,"1 2 3 4"']
    found = read(tmp_path, "boxes.csv", "\n".join(["film,frame,bbox", *rows]) + "\n")
    assert [box.width for box in found.boxes[5]] == [30]
    assert found.skipped == (("boxes.csv, line 3", 'its frame "x" is no number'),)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", "{", "neither JSON nor a .csv"),
        ("a.json", "[]", "no list of images"),
        (
            "a.json",
            '{"images": [3, {"file": "b.mp4"}]}',
            r"no box of walk.mp4 .* \(walk.mp4: it is",
        ),
        ("a.csv", "frame\n1\n", "no column bbox"),
        ("a.csv", 'frame,bbox\n99,"[1,2,3,4]"\n', "there is no frame 99"),
    ],
)
def test_boxes_that_are_none(tmp_path, name, text, words):
    with pytest.raises(UserError, match=words):
        read(tmp_path, name, text)
