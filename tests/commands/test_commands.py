"""The commands as a person gives them: what they print, what they write, what they refuse."""

import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import unicodedata
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from PIL import Image

from reid_jax import configurations
from reid_jax.commands import terminal
from reid_jax.commands.learn import evaluate
from reid_jax.data.photos import Dataset, load_dataset, make_splits
from reid_jax.errors import UserError
from reid_jax.individuals.config import DataConfig
from reid_jax.individuals.gallery import members
from reid_jax.individuals.model import embed_beside_baselines, load_run
from reid_jax.individuals.run import evaluate_run
from reid_jax.individuals.split_file import keep_split, load_run_data
from reid_jax.questions import train
from reid_jax.reporting.run_facts import mark_report, report_folder
from tests.devices import xla_flags
from tests.doors import call
from tests.paths import REPOSITORY
from tests.tiny_run import make_tiny_run


def command(*arguments, code=0, **environment):
    result = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=REPOSITORY,
        env={**os.environ, "XLA_FLAGS": xla_flags(1), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    return result.stdout + result.stderr


def said(*words, code=0):
    """What a command prints that runs within this process, which spares it the imports."""
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stream), redirect_stderr(stream):
        patch.chdir(REPOSITORY)
        patch.setenv("COLUMNS", "200")
        patch.setenv("GLIBC_TUNABLES", "")  # else training starts the process again
        try:
            call(*words)
            ended = 0
        except SystemExit as end:
            ended = end.code
    assert ended == code, stream.getvalue()
    return stream.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_tiny_run(tmp_path_factory.mktemp("run"))


@pytest.mark.exhaustive
def test_evaluate_prints_the_baselines_beside_the_network_and_writes_json(run, tmp_path):
    output = command("scripts/evaluate.py", "--workdir", run, "--json", tmp_path / "m.json")
    metrics = json.loads((tmp_path / "m.json").read_text())
    row = next(line for line in output.splitlines() if line.startswith("this network"))
    assert f"{metrics['rank1']:.3f}" in row
    assert "untrained network" in output
    assert "raw pixels" in output
    assert (run / "report" / "index.html").stat().st_size > 10_000


def test_make_installs_jax_for_an_accelerator():
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    for name, words in ((None, []), ("cuda", ["ACCELERATOR=cuda"]), ("tpu", ["ACCELERATOR=tpu"])):
        made = subprocess.run(
            ["make", "--dry-run", "--always-make", "setup", *words],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        [chosen] = re.findall(r"'\.\[(.*)\]'", made)
        assert set(chosen.split(",")) <= set(extras["optional-dependencies"])
        assert set(chosen.split(",")) & {"cuda", "tpu"} == ({name} if name else set())


def test_photos_among_which_nothing_can_be_searched_for_are_one_sentence(run, tmp_path):
    arguments = ("--workdir", run, "--data", "synthetic:6x1", "--json", tmp_path / "m.json")
    output = said("evaluate", *arguments, code=1)
    assert "error: Nothing can be searched for: no photo has another one of its" in output
    assert not (tmp_path / "m.json").exists()


def test_photos_of_nobody_and_of_one_individual_are_refused_and_copies_are_said(run, tmp_path):
    drawn = load_dataset("synthetic:3x4")
    for row in range(len(drawn)):
        folder = tmp_path / "twice" / drawn.identities[drawn.labels[row]]
        write_photo(folder, row, drawn.pixels[row])
        write_photo(folder, 100 + row, drawn.pixels[row])
        write_photo(tmp_path / "pile", row, drawn.pixels[row])
        write_photo(tmp_path / "one" / "somebody", row, drawn.pixels[row])
    for name, words in (("pile", "not in the folder of an individual"), ("one", "these show 1")):
        with pytest.raises(UserError, match=words):
            evaluate_run(run, f"folder:{tmp_path / name}")
    with pytest.raises(UserError, match="not in the folder of an individual"):
        members.build(run, f"folder:{tmp_path / 'pile'}", tmp_path / "gallery")
    json_path = tmp_path / "m.json"
    output = said(
        *("evaluate", "--workdir", run, "--json", json_path),
        *("--data", f"folder:{tmp_path / 'twice'}"),
    )
    assert "24 of 24 photos that are searched for have an exact copy" in output
    metrics = json.loads(json_path.read_text())
    assert metrics["rank1"] == 1.0 > metrics["rank1_without_copies"]
    (page,) = run.glob("report-*twice*/index.html")
    assert "24 of the photos have an exact copy" in page.read_text()


def test_embed_writes_what_the_contract_says(run, tmp_path):
    output = said("embed", "--workdir", run, "--data", "synthetic:3x4", "--out", tmp_path / "e.npz")
    assert "12 embeddings of 8 numbers" in output
    with np.load(tmp_path / "e.npz") as file:
        assert file["embeddings"].shape == (12, 8)
        assert file["embeddings"].dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(file["embeddings"], axis=1), 1.0, atol=1e-5)
        assert file["paths"].shape == file["identities"].shape == (12,)
        assert len(set(file["identities"].tolist())) == 3


@pytest.mark.parametrize(
    ("code", "options", "message"),
    [
        (
            1,
            ["--data.batch-size", "4096", "--data.source", "synthetic:20x4"],
            "1024 individuals, the training photos show",
        ),
        (2, ["--train.stepps", "3"], "--train.steps"),
        (1, ["--model.backbone", "resnet19"], "resnet18"),
        (1, ["--data.source", "folder:nowhere"], "nowhere"),
        (1, ["--data.source", "flder:x"], "folder"),
        (2, ["--optimizer.learning-rate", "fast"], "fast"),
        # A loss refuses what it cannot be while the words are read.
        (1, ["--loss.mining", "semi_hard", "--loss.soft", "True"], "semi_hard"),
        (1, ["--loss.margin", "-1"], "error: loss.margin of Triplet is -1.0; it must be"),
        (1, ["--train.seed", "-1"], "train.seed"),
        (1, ["--model.pretrained", "weights.pth"], "small_cnn is a network of this library"),
    ],
)
def test_what_is_misspelt_or_impossible_is_refused(code, options, message, tmp_path):
    output = said("train", "configs/demo.py", "--workdir", tmp_path / "run", *options, code=code)
    assert message in output
    assert not (tmp_path / "run").exists()


def test_a_misspelt_configuration_names_those_that_are_there(tmp_path):
    output = said("train", "configs/dmeo.py", "--workdir", tmp_path, code=1)
    assert "did you mean demo?" in output


def test_photos_that_are_added_later_stay_out_of_the_split(tmp_path):
    """Otherwise a new individual would deal all of them anew, trained ones among the held-out."""
    photos, run = tmp_path / "photos", tmp_path / "run"
    dataset = load_dataset("synthetic:12x4")
    for row in range(len(dataset)):
        write_photo(photos / dataset.identities[dataset.labels[row]], row, dataset.pixels[row])
    make_tiny_run(run, source=f"folder:{photos}")
    before = load_run(run).load_data()
    for row in range(4):
        write_photo(photos / "a newcomer", row, dataset.pixels[row][::-1])
    after = load_run(run).load_data()
    assert len(after[0]) == len(before[0]) + 4
    for old, new in (
        (before[1].train, after[1].train),
        (before[1].test.query, after[1].test.query),
        (before[1].validation.gallery, after[1].validation.gallery),
    ):
        assert before[0].paths[old].tolist() == after[0].paths[new].tolist()
    (photos / dataset.identities[dataset.labels[0]]).rename(tmp_path / "elsewhere")
    output = said("evaluate", "--workdir", run)
    assert "4 photos of the run are no longer in its source" in output


def test_what_a_run_used_is_read_as_it_was_then(tmp_path):
    """Folders that are passed over by now, an individual called unknown, a name as macOS writes."""
    photos, run = tmp_path / "photos", tmp_path / "run"
    names = ["unknown", "@eaDir", unicodedata.normalize("NFD", "Zoë"), *"abcdefghi"]
    drawn = load_dataset("synthetic:12x4")
    for row in range(len(drawn)):
        write_photo(photos / names[drawn.labels[row]], row, drawn.pixels[row])
    config = DataConfig(source=f"folder:{photos}", split="photo")
    everything = {str(path) for path in photos.rglob("*.png")}
    old = load_dataset(config.source, keep=everything)
    assert len(load_dataset(config.source)) == len(old) - 8
    splits = make_splits(old, "photo")
    keep_split(run, old, splits)
    with np.load(run / "split.npz") as kept:  # names as the first version kept them
        parts = dict(kept)
    composed = unicodedata.normalize("NFC", names[2])
    was = parts["train_identities"].astype("U8")
    parts["train_identities"] = np.where(was == composed, names[2], was)
    assert names[2] in parts["train_identities"]
    np.savez(run / "split.npz", **parts)
    (run / "checkpoints" / "latest" / "5").mkdir(parents=True)
    dataset, again = load_run_data(run, config, 0, training=True)
    assert dataset.paths[again.train].tolist() == old.paths[splits.train].tolist()
    assert dataset.identities == old.identities


def write_photo(folder, number, pixels):
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / f"{number}.png")


def test_a_training_that_is_refused_leaves_no_list_of_what_was_skipped(tmp_path):
    for name in ("a/0", "a/1", "b/0", "b/1"):
        write_photo(tmp_path / "photos" / name[0], name[2], np.zeros((8, 8, 3), np.uint8) + 9)
    (tmp_path / "photos" / "a" / "broken.jpg").touch()
    config = configurations.get("demo")
    source = f"folder:{tmp_path / 'photos'}"
    data = dataclasses.replace(config.data, source=source, split="photo", validation_fraction=0.0)
    with pytest.raises(UserError, match="A batch asks for"):
        train(dataclasses.replace(config, data=data), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_all_that_was_skipped_is_listed_beside_what_was_made(run, tmp_path):
    write_photo(tmp_path / "a", 0, np.zeros((8, 8, 3), np.uint8))
    names = [*(b"%d.jpg" % number for number in range(6)), b"\xff.jpg"]  # not Unicode
    for name in names:
        (tmp_path / "a" / os.fsdecode(name)).touch()
    arguments = ("--data", f"folder:{tmp_path}", "--out", tmp_path / "e.npz")
    output = said("embed", "--workdir", run, *arguments)
    listed = tmp_path / "e.npz.skipped.txt"  # the run's own list stays as it is
    assert f"... and 2 more, listed in {listed}" in output
    assert not (run / "skipped.txt").exists()
    lines = listed.read_bytes().splitlines()
    folder = os.fsencode(tmp_path / "a")
    assert lines == [folder + b"/" + name + b"\tthe file is empty" for name in names]


def test_help_explains_each_field():
    output = said("train", "configs/demo.py", "--help")
    for text in ("--optimizer.learning-rate", "the warm-up", "--loss.mining", "--augment.crop"):
        assert text in output


def test_a_loss_that_is_not_finite_names_the_step_and_the_last_good_checkpoint(tmp_path):
    output = said(
        "train",
        "configs/demo.py",
        *("--workdir", tmp_path / "run", "--data.source", "synthetic:16x4"),
        *("--data.image-size", "16", "--data.batch-size", "16", "--train.checkpoint-every", "2"),
        *("--optimizer.name", "sgd", "--optimizer.learning-rate", "1e30"),
        *("--optimizer.warmup-steps", "6", "--train.steps", "20", "--model.normalize", "False"),
        code=1,
    )
    assert "not finite at step" in output
    assert "checkpoint" in output


def test_a_folder_that_is_no_run_is_one_sentence(tmp_path):
    output = said("evaluate", "--workdir", tmp_path, code=1)
    assert output.strip().splitlines()[-1].startswith("error: ")


def test_training_on_arrays_needs_no_tensorflow_and_no_pillow():
    program = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "tensorflow_datasets", "PIL", "matplotlib"}:
            raise ImportError(name)
sys.meta_path.insert(0, Blocker())
import reid_jax
import jax, numpy as np, optax
from reid_jax.models import EmbeddingNet, create_backbone
from reid_jax.ops.images.augment import Augmentation
from reid_jax.individuals.task import EmbeddingTask
from reid_jax.ops.losses.objectives import Triplet
from reid_jax.training.state import create_state
from reid_jax.training.step import make_train_step
net = EmbeddingNet(create_backbone("small_cnn"), embedding_dim=4)
task = EmbeddingTask(net, Triplet(), Augmentation(flip=True), 2, (0.5,) * 3, (0.5,) * 3)
images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
batch = {"image": images, "label": np.arange(8, dtype=np.int32) // 4, "mask": np.ones(8, bool)}
optimizer = optax.sgd(0.1)
state = create_state(*task.init(jax.random.key(0), batch), optimizer, ema=False)
state, metrics = jax.jit(make_train_step(task, optimizer, seed=0, ema_decay=0.0))(state, batch)
print("step", int(state.step), "loss", float(metrics["loss"]))
"""
    assert "step 1 loss" in command("-c", program)


def test_weights_that_are_gone_cost_one_row_of_the_table(run, tmp_path, capsys):
    model = load_run(run)
    network = dataclasses.replace(
        model.config.model, backbone="resnet18", pretrained=str(tmp_path / "gone.safetensors")
    )
    moved = dataclasses.replace(model, config=dataclasses.replace(model.config, model=network))
    assert moved.frozen is None
    assert "no row for frozen features: " in capsys.readouterr().out


def test_a_configuration_of_another_network_is_a_sentence(run):
    model = load_run(run)
    network = dataclasses.replace(model.config.model, embedding_dim=5)
    other = dataclasses.replace(model, config=dataclasses.replace(model.config, model=network))
    with pytest.raises(UserError, match=r"does not fit the network .* config.json .*projection"):
        other.embed(load_dataset("synthetic:2x2", seed=0))


def test_huge_pages_are_asked_for_once(monkeypatch):
    started = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "execv", lambda *arguments: started.append(arguments))
    monkeypatch.setattr(sys, "orig_argv", ["python", "-X", "dev", "scripts/train.py", "a b"])
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    terminal.use_huge_pages()
    wanted = [sys.executable, "-X", "dev", "scripts/train.py", "a b"]
    assert started == [(sys.executable, wanted)]
    assert os.environ["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=1"
    terminal.use_huge_pages()  # what was started again, and whoever has settings of their own
    assert len(started) == 1


def test_models_prints_the_keyframe_networks_and_writes_json(tmp_path):
    output = command(
        "-m", "reid_jax", "models", "--keyframes", "True", "--json", tmp_path / "k.json"
    )
    assert "| keyframe network | Model 1: resnet50 | Model 2: efficientnet_b0 |" in output
    first, second = json.loads((tmp_path / "k.json").read_text())
    assert (first["total"], second["trained_in_stage_two"]) == (26_447_489, 4_263_585)


def test_photos_are_read_once_for_all_networks(run, monkeypatch):
    model = load_run(run)
    dataset, _ = model.load_data()
    read = []
    load = Dataset.load

    def counted(self, indices, size, channels=3, **options):
        read.append((size, len(indices)))
        return load(self, indices, size, channels, **options)

    monkeypatch.setattr(Dataset, "load", counted)
    found = embed_beside_baselines(model, dataset)
    assert list(found) == ["this network", "untrained network", "raw pixels"]
    assert sum(number for size, number in read if size == 24) == len(dataset)
    monkeypatch.undo()
    np.testing.assert_array_equal(found["this network"], model.embed(dataset))


def test_numbers_are_written_where_the_report_cannot_be(run, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "report", ignore_errors=True)
    (copy / "report").touch()  # a file where its folder would be: refused to root too
    with pytest.raises(SystemExit) as ended, terminal.plain_errors():
        evaluate(copy, json=tmp_path / "m.json")
    assert ended.value.code
    assert json.loads((tmp_path / "m.json").read_text())["num_queries"] > 0
    printed = capsys.readouterr()
    assert "raw pixels" in printed.out
    assert f"error: {copy / 'report'} cannot be written (" in printed.err


def test_each_source_has_a_report_of_its_own(tmp_path):
    sources = [
        "folder:/x/y-z",
        "folder:/x-y/z",
        "folder:/" + "long/" * 80,
        "folder:/" + "long/" * 81,
    ]
    folders = []
    for source in sources:
        folder = report_folder(tmp_path, re.sub(r"[^A-Za-z0-9]+", "-", source).strip("-"), source)
        mark_report(folder, source)
        folders.append(folder)
        name = re.sub(r"[^A-Za-z0-9]+", "-", source).strip("-")
        assert report_folder(tmp_path, name, source) == folder
    assert len(set(folders)) == len(sources)
    assert folders[0].name == "report-folder-x-y-z"
