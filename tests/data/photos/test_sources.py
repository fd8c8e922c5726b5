"""Folders, CSVs and Omniglot archives, as they come."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.photos import Dataset, describe, load_dataset
from reid_jax.errors import UserError
from tests.paths import REPOSITORY, shared


def photo(path, shade=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 16), (shade, 20, 30)).save(path)


def relative(dataset, root):
    return [os.path.relpath(path, root) for path in dataset.paths]


class TestFolder:
    def test_a_folder_for_each_individual(self, tmp_path):
        for name in ("b/2.JPG", "b/1.png", "a/2019/june/x.jpeg", "a/y.webp"):
            photo(tmp_path / name)
        dataset = load_dataset(f"folder:{tmp_path}")
        assert dataset.identities == ("a", "b")
        assert relative(dataset, tmp_path) == [
            "a/2019/june/x.jpeg",
            "a/y.webp",
            "b/1.png",
            "b/2.JPG",
        ]
        assert dataset.labels.tolist() == [0, 0, 1, 1]
        assert dataset.labels.dtype == np.int32
        assert dataset.skipped == ()

    def test_unicode_spaces_hidden_files_and_other_files(self, tmp_path):
        photo(tmp_path / "Ñandú 東" / "été 1.jpg")
        photo(tmp_path / "my turtle" / "a b.jpg")
        photo(tmp_path / ".trash" / "c.jpg")
        photo(tmp_path / "__MACOSX" / "d.jpg")
        photo(tmp_path / "my turtle" / "._a b.jpg.png")
        (tmp_path / "my turtle" / "notes.txt").write_text("seen in May")
        dataset = load_dataset(f"folder:{tmp_path}")
        assert set(dataset.identities) == {"Ñandú 東", "my turtle"}
        assert len(dataset) == 2
        assert dataset.load(np.arange(2), 8).shape == (2, 8, 8, 3)

    def test_links_are_followed_and_loops_are_not(self, tmp_path):
        photo(tmp_path / "elsewhere" / "a.jpg")
        root = tmp_path / "photos"
        photo(root / "t1" / "b.jpg")
        (root / "t2").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (root / "t1" / "up").symlink_to(root, target_is_directory=True)
        (root / "t1" / "self").symlink_to(root / "t1", target_is_directory=True)
        (root / "t1" / "dead.jpg").symlink_to(root / "nowhere.jpg")
        dataset = load_dataset(f"folder:{root}")
        assert relative(dataset, root) == ["t1/b.jpg", "t2/a.jpg"]
        assert [(os.path.basename(path), reason) for path, reason in dataset.skipped] == [
            ("dead.jpg", "the file is missing")
        ]

    def test_bad_photos_are_skipped_by_name(self, tmp_path):
        photo(tmp_path / "a" / "good.jpg")
        (tmp_path / "a" / "bad.jpg").write_bytes(b"")
        photo(tmp_path / "stray.jpg")
        dataset = load_dataset(f"folder:{tmp_path}")
        assert relative(dataset, tmp_path) == ["a/good.jpg"]
        reasons = {os.path.basename(path): reason for path, reason in dataset.skipped}
        assert reasons == {
            "bad.jpg": "the file is empty",
            "stray.jpg": "not in the folder of an individual",
        }
        assert "skipped     2" in describe(dataset)
        assert "bad.jpg: the file is empty" in describe(dataset)

    def test_what_is_not_a_folder_of_photos(self, tmp_path):
        (tmp_path / "file").write_text("")
        (tmp_path / "empty" / "a").mkdir(parents=True)
        (tmp_path / "broken" / "a").mkdir(parents=True)
        (tmp_path / "broken" / "a" / "x.jpg").write_text("no")
        photo(tmp_path / "pile" / "x.jpg")
        for name, words in (
            ("nowhere", "does not exist"),
            ("file", "is not a folder"),
            ("empty", "no usable photo"),
            ("broken", "1 were skipped.*x.jpg.*not an image"),
            ("pile", "1 were skipped.*x.jpg.*not in the folder of an individual"),
        ):
            with pytest.raises(UserError, match=words):
                load_dataset(f"folder:{tmp_path / name}")

    def test_a_photo_that_breaks_later_is_named(self, tmp_path):
        photo(tmp_path / "a" / "x.jpg")
        dataset = load_dataset(f"folder:{tmp_path}")
        (tmp_path / "a" / "x.jpg").unlink()
        with pytest.raises(UserError, match=r"x\.jpg.*missing"):
            dataset.load(np.array([0]), 8)


class TestCsv:
    def write(self, folder, text, encoding="utf-8", name="metadata.csv"):
        for file in ("1.jpg", "2.jpg", "3.jpg", "a, b.jpg"):
            photo(folder / "images" / file)
        (folder / name).write_bytes(text.encode(encoding))
        return f"csv:{folder}"

    def test_columns(self, tmp_path):
        source = self.write(
            tmp_path,
            "path,identity,date,orientation,split,weight\n"
            "images/1.jpg,t1,2020-05-01 10:11:12,left,train,3\n"
            "images/2.jpg,t2,2021-07-31,right,test,\n"
            '"images/a, b.jpg",t1,,left,test,4\n',
        )
        for each in (source, source + "/metadata.csv"):
            dataset = load_dataset(each)
            assert dataset.identities == ("t1", "t2")
            assert dataset.labels.tolist() == [0, 1, 0]
            assert set(dataset.columns) == {"date", "orientation", "split", "digest"}
            assert dataset.columns["date"].dtype == np.dtype("datetime64[s]")
            assert str(dataset.columns["date"][0]) == "2020-05-01T10:11:12"
            assert np.isnat(dataset.columns["date"]).tolist() == [False, False, True]
            assert dataset.columns["split"].tolist() == ["train", "test", "test"]
            assert "2020-05-01 to 2021-07-31  (1 without)" in describe(dataset)

    def test_words_for_a_missing_value_are_no_values(self, tmp_path):
        text = "path,identity,camera,orientation\n"
        text += "images/1.jpg,a,nan,left\nimages/2.jpg,a,,N/A\nimages/3.jpg,a,north,None\n"
        columns = load_dataset(self.write(tmp_path, text)).columns
        assert columns["camera"].tolist() == ["", "", "north"]
        assert columns["orientation"].tolist() == ["left", "", ""]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
    def test_encodings_and_semicolons(self, tmp_path, encoding):
        text = "Path;Identity ;date\r\nimages\\1.jpg;Zoë;2020:05:01 10:00:00\r\n\r\n"
        dataset = load_dataset(self.write(tmp_path, text, encoding))
        assert dataset.identities == ("Zoë",)
        assert str(dataset.columns["date"][0]) == "2020-05-01T10:00:00"

    def test_rows_that_cannot_be_used_are_named(self, tmp_path):
        source = self.write(
            tmp_path,
            "path,identity\nimages/1.jpg,t1\nimages/9.jpg,t1\nimages/2.jpg,\nimages/3.jpg,unknown\n"
            ",t1\nimages/1.jpg,t2\nimages/3.jpg,NaN\n./images/1.jpg,t1\n",
        )
        dataset = load_dataset(source)
        assert relative(dataset, tmp_path) == ["images/1.jpg"]
        first = tmp_path / "images" / "1.jpg"
        assert [reason for _, reason in dataset.skipped] == [
            "the file in line 3 is missing",
            "no identity in line 4",
            "no identity in line 5",
            "no path",
            f"the same file as {first}, which is of t1, listed again in line 7",
            "no identity in line 8",
            f"the same file as {first}, listed again in line 9",
        ]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("path,name\nimages/1.jpg,t1\n", "no column identity: its columns are path, name"),
            ("", "its columns are none"),
            ("path,identity\n", "no usable photo"),
            ("path,identity\nimages/9.jpg,t1\n", r"no usable photo.*9\.jpg: the file in line 2"),
            ("\0\0path,identity\n", "no column|not a readable CSV"),
        ],
    )
    def test_bad_files_give_one_sentence(self, tmp_path, text, words):
        with pytest.raises(UserError, match=words) as caught:
            load_dataset(self.write(tmp_path, text))
        assert "\n" not in str(caught.value)

    def test_absolute_paths_and_a_missing_file(self, tmp_path):
        source = self.write(tmp_path, f"path,identity\n{tmp_path}/images/1.jpg,t1\n")
        assert len(load_dataset(source)) == 1
        with pytest.raises(UserError, match="does not exist"):
            load_dataset(f"csv:{tmp_path}/other.csv")

    def test_real_turtles(self):
        dataset = load_dataset(f"csv:{shared('data/turtles')}")
        assert (len(dataset), len(dataset.identities)) == (4345, 320)
        assert dataset.skipped == ()


class TestOmniglot:
    def archive(self, path, alphabets=("Greek", "Latin")):
        with zipfile.ZipFile(path, "w") as archive:
            for alphabet in alphabets:
                for character in (1, 2):
                    for drawer in (1, 2, 3):
                        image = Image.new("1", (105, 105), 1)
                        image.putpixel((drawer, character), 0)
                        name = (
                            f"set/{alphabet}/character{character:02d}/0{character}_{drawer:02d}.png"
                        )
                        with archive.open(name, "w") as file:
                            image.save(file, "PNG")
            archive.writestr("__MACOSX/set/Greek/character01/._01_01.png", b"x")
        return path

    def test_zips_and_folders_agree(self, tmp_path):
        archive = self.archive(tmp_path / "small.zip")
        with zipfile.ZipFile(archive) as file:
            file.extractall(tmp_path / "unpacked")
        zipped, folder = (
            load_dataset(f"omniglot:{path}") for path in (archive, tmp_path / "unpacked")
        )
        assert zipped.identities[:2] == ("Greek/character01", "Greek/character02")
        assert zipped.pixels.shape == (12, 105, 105, 1)
        assert set(np.unique(zipped.pixels)) == {0, 255}
        assert zipped.pixels[0].mean() > 250, "black ink on white"
        assert zipped.columns["alphabet"].tolist() == ["Greek"] * 6 + ["Latin"] * 6
        assert zipped.columns["drawer"][:3].tolist() == ["01", "02", "03"]
        np.testing.assert_array_equal(zipped.pixels, folder.pixels)
        assert zipped.paths.tolist() == folder.paths.tolist()

    def test_the_same_drawings_as_a_folder_source_look_the_same(self, tmp_path):
        archive = self.archive(tmp_path / "small.zip", ["Greek"])
        with zipfile.ZipFile(archive) as file:
            file.extractall(tmp_path / "unpacked")
        files = load_dataset(f"folder:{tmp_path / 'unpacked' / 'set' / 'Greek'}")
        drawings = load_dataset(f"omniglot:{archive}")
        everything = np.arange(6)
        np.testing.assert_array_equal(
            files.load(everything, 28, 1), drawings.load(everything, 28, 1)
        )

    def test_several_zips_with_the_same_alphabet(self, tmp_path):
        one = self.archive(tmp_path / "1.zip", ["Greek", "Latin"])
        two = self.archive(tmp_path / "2.zip", ["Greek", "Tifinagh"])
        dataset = load_dataset(f"omniglot:{one}, {two}")
        assert len(dataset) == 18
        assert len(dataset.identities) == 6

    def test_what_is_not_omniglot(self, tmp_path):
        (tmp_path / "text.zip").write_text("no")
        with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
            archive.writestr("a.txt", "")
        for name, words in (
            ("absent.zip", "does not exist"),
            ("text.zip", "not a readable zip"),
            ("other.zip", "no Omniglot drawing"),
        ):
            with pytest.raises(UserError, match=words):
                load_dataset(f"omniglot:{tmp_path / name}")

    def test_the_official_zip(self):
        dataset = load_dataset(f"omniglot:{shared('data/omniglot/images_background_small1.zip')}")
        assert (len(dataset), len(dataset.identities)) == (2720, 136)
        assert len(np.unique(dataset.columns["alphabet"])) == 5
        assert len(np.unique(dataset.columns["drawer"])) == 20


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("sythetic:5", 'did you mean "synthetic:5"'),
        ("Folder:/x", 'did you mean "folder:/x"'),
        ("photos", "begins with one of folder:"),
        ("", "begins with one of folder:"),
        ("folder:", "ends after the colon"),
        ("synthetic:many", "does not say how many"),
        ("synthetic:0", "does not say how many"),
        ("synthetic:3x0", "does not say how many"),
    ],
)
def test_unknown_sources_suggest_the_closest(source, words):
    with pytest.raises(UserError, match=words):
        load_dataset(source)


def test_a_path_without_its_kind(tmp_path):
    with pytest.raises(UserError, match=f'write "folder:{tmp_path}"'):
        load_dataset(str(tmp_path))
    (tmp_path / "metadata.csv").write_text("path,identity\n")
    with pytest.raises(UserError, match=f'write "csv:{tmp_path}"'):
        load_dataset(str(tmp_path))


def test_a_subset_keeps_the_identities():
    dataset = load_dataset("synthetic:3x4")
    part = dataset.subset(np.array([5, 0]))
    assert part.identities == dataset.identities
    assert part.labels.tolist() == [1, 0]
    assert part.paths.tolist() == dataset.paths[[5, 0]].tolist()
    np.testing.assert_array_equal(part.pixels, dataset.pixels[[5, 0]])
    assert part.columns["date"][0] == dataset.columns["date"][5]


def test_columns_must_be_as_long_as_the_labels():
    with pytest.raises(ValueError, match="date has 1 rows, labels has 2"):
        Dataset(
            paths=np.array(["a", "b"]),
            labels=np.zeros(2, np.int32),
            identities=("x",),
            columns={"date": np.array(["2020"], "datetime64[s]")},
        )


def test_data_works_without_tensorflow():
    program = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tensorflow_datasets"):
            raise ImportError(f"{name} is not installed")
sys.meta_path.insert(0, Blocker())
from reid_jax.data.photos import UniformSampler, load_dataset
from reid_jax.data.photos.stream import stream
from reid_jax.errors import UserError
dataset = load_dataset("synthetic:2x2")
batch = next(stream(dataset, UniformSampler(4, 2, 0), size=16))
assert batch["image"].shape == (2, 16, 16, 3)
try:
    load_dataset("tfds:mnist")
except UserError as error:
    print(error)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "tfds:mnist needs TensorFlow: pip install 'reid-jax[data]'." in result.stdout
