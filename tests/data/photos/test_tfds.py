"""TensorFlow Datasets: the Debian package, absent networks, sets of odd shape."""

import gzip
import os
import subprocess
import sys

import numpy as np
import pytest

from reid_jax.console import others_quiet
from reid_jax.data.optional_tensorflow import import_tensorflow
from reid_jax.data.photos import load_dataset, make_splits
from reid_jax.data.photos import tfds as source
from reid_jax.errors import UserError

needs_tensorflow = pytest.mark.skipif(
    import_tensorflow() is None, reason="needs TensorFlow (the extra `data`)"
)
needs_package = pytest.mark.skipif(
    not os.path.isdir(source.FASHION_MNIST_FOLDER),
    reason="needs Debian's package dataset-fashion-mnist",
)


@needs_package
def test_the_real_package():
    dataset = source._read_fashion_mnist()
    assert dataset.pixels.shape == (70_000, 28, 28, 1)
    assert np.bincount(dataset.labels).tolist() == [7000] * 10
    assert (dataset.columns["split"] == "test").sum() == 10_000


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    with gzip.open(path, "wb") as stream:
        stream.write(header + array.tobytes())


@pytest.fixture
def tiny_package(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    for prefix, count in (("t10k", 20), ("train", 40)):
        images = generator.integers(0, 256, (count, 28, 28), np.uint8)
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(
            tmp_path / f"{prefix}-labels-idx1-ubyte.gz", np.arange(count, dtype=np.uint8) % 10
        )
    monkeypatch.setattr(source, "FASHION_MNIST_FOLDER", f"{tmp_path}/")
    return tmp_path


@needs_tensorflow
def test_the_builder_reads_the_package(tiny_package, monkeypatch, capfd):
    import tensorflow_datasets as tfds
    from tensorflow_datasets.image_classification import mnist

    monkeypatch.setattr(mnist, "_TRAIN_EXAMPLES", 40)
    monkeypatch.setattr(mnist, "_TEST_EXAMPLES", 20)
    monkeypatch.setattr(mnist.FashionMNIST, "URL", mnist.FashionMNIST.URL)  # to be put back
    folder = tiny_package / "prepared"
    original = tfds.builder
    monkeypatch.setattr(tfds, "builder", lambda name: original(name, data_dir=folder))
    built = load_dataset("tfds:fashion_mnist")
    plain = source._read_fashion_mnist()
    assert built.identities == plain.identities
    for split in ("train", "test"):
        # TFDS shuffles when it writes: compared as sets, split by split.
        one, two = (
            sorted((int(d.labels[i]), d.pixels[i].tobytes()) for i in np.flatnonzero(rows))
            for d, rows in ((d, d.columns["split"] == split) for d in (built, plain))
        )
        assert one == two
    monkeypatch.setattr(source, "_reachable", lambda url: pytest.fail("it is prepared already"))
    again = load_dataset("tfds:fashion_mnist")
    np.testing.assert_array_equal(built.pixels, again.pixels)
    printed = capfd.readouterr()
    assert printed.out == ""


def test_the_package_without_tensorflow(tiny_package, monkeypatch):
    monkeypatch.setattr(source, "import_tensorflow", lambda: None)
    dataset = load_dataset("tfds:fashion_mnist")
    assert dataset.pixels.shape == (60, 28, 28, 1)
    assert dataset.columns["split"].tolist() == ["test"] * 20 + ["train"] * 40
    splits = make_splits(dataset, "given", validation_fraction=0.25)
    assert splits.test.query.tolist() == list(range(20))
    assert len(splits.train) + len(splits.validation.query) <= 40
    with pytest.raises(UserError, match="tfds:mnist needs TensorFlow"):
        load_dataset("tfds:mnist")


def test_a_damaged_package(tiny_package, monkeypatch):
    monkeypatch.setattr(source, "import_tensorflow", lambda: None)
    (tiny_package / "train-labels-idx1-ubyte.gz").write_bytes(b"\x1f\x8bno")
    with pytest.raises(UserError, match="apt install --reinstall dataset-fashion-mnist"):
        load_dataset("tfds:fashion_mnist")


@needs_tensorflow
def test_without_network_one_sentence_names_both_ways(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "FASHION_MNIST_FOLDER", str(tmp_path / "absent"))
    monkeypatch.setattr(source, "_reachable", lambda url: False)
    import tensorflow_datasets as tfds

    builder = tfds.builder("fashion_mnist", data_dir=tmp_path)
    monkeypatch.setattr(tfds, "builder", lambda name: builder)
    with pytest.raises(UserError) as caught:
        load_dataset("tfds:fashion_mnist")
    text = str(caught.value)
    assert "apt install dataset-fashion-mnist" in text
    assert f"tfds build fashion_mnist) and copy that machine's folder to {tmp_path}" in text
    assert "\n" not in text


def test_nothing_answers_at_an_unused_port():
    assert not source._reachable("http://127.0.0.1:9")


@needs_tensorflow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fashion_mist", "did you mean fashion_mnist"),
        ("wikipedia", 'needs the features "image" and "label", it has: t'),
    ],
)
def test_sets_that_do_not_do(name, words):
    with pytest.raises(UserError, match=words):
        load_dataset(f"tfds:{name}")


@needs_tensorflow
def test_a_name_that_is_nowhere_is_one_sentence_without_tensorflow(tmp_path):
    """A process of its own, which has not imported TensorFlow, prints nothing else."""
    program = (
        "import sys\n"
        "from reid_jax.commands.main import main\n"
        "sys.argv = ['reid-jax', 'train', 'demo', '--workdir', sys.argv[1], *sys.argv[2:]]\n"
        "try:\n    main()\n"
        "finally:\n    print('tensorflow' in sys.modules)"
    )
    words = [str(tmp_path / "run"), "--data.source", "tfds:qqzzxx"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )
    assert done.stderr == (
        'error: TFDS has no data set "qqzzxx": see tensorflow.org/datasets.\n'
    ), done.stderr
    assert done.stdout == "False\n"
    assert done.returncode == 1


@needs_tensorflow
def test_every_set_can_be_found_by_its_name():
    import tensorflow_datasets as tfds

    assert [
        name
        for name in tfds.list_builders(with_community_datasets=False)
        if source._is_nowhere(name)
    ] == []


def test_a_prepared_set_that_only_its_folder_knows(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    (tmp_path / "qqzzxx").mkdir()
    assert not source._is_nowhere("qqzzxx")
    assert not source._is_nowhere("huggingface:qqzzxx")


@needs_tensorflow
def test_photos_of_different_sizes_and_secret_labels(tmp_path):
    import tensorflow_datasets as tfds

    class OddSizes(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(
                    {
                        "image": tfds.features.Image(shape=(None, None, 3)),
                        "label": tfds.features.ClassLabel(names=["cat", "dog"]),
                    }
                )
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(4, 0), "test": self._generate_examples(3, -1)}

        def _generate_examples(self, count, label):
            for number in range(count):
                image = np.full((20 + number, 30, 3), 40 * number, np.uint8)
                yield number, {"image": image, "label": label if label < 0 else number % 2}

    builder = OddSizes(data_dir=tmp_path)
    with others_quiet():
        builder.download_and_prepare()
        dataset = source._read(builder)
    assert dataset.pixels.shape == (4, 224, 224, 3)
    assert sorted(dataset.pixels[:, 0, 0, 0].tolist()) == [0, 40, 80, 120]
    assert dataset.identities == ("cat", "dog")
    assert set(dataset.columns["split"]) == {"train"}
    assert len(dataset.skipped) == 3
    assert dataset.skipped[0][1] == "no label"
