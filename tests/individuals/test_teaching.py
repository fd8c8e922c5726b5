"""A network learns from others: by the command, gone on with, without names, and refused."""

import json
import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest
from PIL import Image

from reid_jax import configurations
from reid_jax.errors import UserError
from reid_jax.individuals.config import check, complete
from reid_jax.individuals.experiment import load_data
from reid_jax.individuals.model import load_run
from reid_jax.individuals.teaching import open_teachers, said_of, teacher_of
from reid_jax.ops.images.augment import Augmentation
from reid_jax.questions import question_of, train
from reid_jax.training import run as driver
from reid_jax.training.checkpoint import Checkpoints
from tests.commands.test_commands import said
from tests.tiny_run import breaking_off, draw_weights, make_tiny_run, read_run_config

TINY = {
    "data.source": "synthetic:12x6",
    "data.image-size": "24",
    "data.batch-size": "8",
    "data.photos-per-identity": "2",
    "data.validation-fraction": "0.4",
    "model.embedding-dim": "8",
    "optimizer.warmup-steps": "1",
    "train.steps": "4",
    "train.evaluate-every": "2",
    "train.checkpoint-every": "2",
    "train.log-every": "1",
    "train.parallel": "single",
}


def words(workdir, **changes):
    options = TINY | {name.replace("__", "."): value for name, value in changes.items()}
    return ["train", "demo", f"--workdir={workdir}", *(f"--{k}={v}" for k, v in options.items())]


def rows(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def parameters(workdir):
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    tree, _ = checkpoints.read_raw(checkpoints.latest_step)
    checkpoints.close()
    return jax.tree.leaves(jax.device_get(tree))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_tiny_run(tmp_path_factory.mktemp("teacher") / "run")


@pytest.fixture(scope="module")
def student(teacher, tmp_path_factory):
    """Learns from it in every step, as its photos are augmented."""
    workdir = tmp_path_factory.mktemp("student")
    output = said(*words(workdir), "--distill", str(teacher))
    return workdir, output


def test_the_command_trains_evaluates_and_keeps_who_taught(teacher, student):
    workdir, output = student
    assert f"learns from {teacher}" in output
    kept = read_run_config(workdir).distill
    assert kept.teacher == str(teacher)
    assert kept.fingerprints == load_run(teacher).fingerprint
    logged = rows(workdir)[0]
    terms = ("teacher_distance", "teacher_angle", "teacher_cosine", "triplet")
    assert all(np.isfinite(logged[name]) for name in terms)
    expected = logged["triplet"] + logged["teacher_distance"] + 2 * logged["teacher_angle"]
    np.testing.assert_allclose(logged["loss"], expected + logged["teacher_cosine"], rtol=1e-5)
    assert (workdir / "report" / "index.html").is_file()
    assert load_run(workdir).embed(np.zeros((2, 24, 24, 3), np.uint8)).shape == (2, 8)


def test_a_run_that_broke_off_ends_bit_for_bit_where_one_in_a_go_ends(
    teacher, student, tmp_path, monkeypatch
):
    config = read_run_config(student[0])
    fit = driver.fit
    monkeypatch.setattr(driver, "fit", lambda e, *a, **k: fit(breaking_off(e, 3), *a, **k))
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path)
    monkeypatch.setattr(driver, "fit", fit)
    train(config, tmp_path)
    for a, b in zip(parameters(tmp_path), parameters(student[0]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_teacher_that_changed_is_refused_one_that_moved_is_not(teacher, student, tmp_path):
    workdir, run = tmp_path / "student", tmp_path / "teacher"
    shutil.copytree(student[0], workdir)
    shutil.copytree(teacher, run)
    config, question = read_run_config(workdir), question_of(workdir)

    def taught_by(place):
        return replace(config, distill=replace(config.distill, teacher=str(place)))

    assert question.going_on(workdir, taught_by(run)).distill.teacher == str(run)
    other = make_tiny_run(tmp_path / "other", seed=1)
    with pytest.raises(UserError, match="has changed, or is another"):
        question.going_on(workdir, taught_by(other))
    with pytest.raises(UserError, match="learns from a teacher; go on with it by --distill"):
        question.going_on(workdir, taught_by(""))
    with pytest.raises(UserError, match="cannot be its own teacher"):
        question.going_on(workdir, taught_by(workdir))
    with pytest.raises(UserError, match="learnt from nobody so far"):
        question.going_on(run, replace(read_run_config(run), distill=config.distill))


def test_who_cannot_teach_is_refused_in_a_sentence(teacher, tmp_path):
    config = read_run_config(teacher)

    def refused(place, **data):
        asked = replace(
            config,
            data=replace(config.data, **data),
            distill=replace(config.distill, teacher=str(place)),
        )
        with pytest.raises(UserError) as error:
            open_teachers(asked)
        return str(error.value)

    assert "is not the folder of a run" in refused(tmp_path)
    assert "sees colour photos and data.channels is 1" in refused(teacher, channels=1)
    assert "copy it first" in refused("s3://bucket/run")
    begun = tmp_path / "begun"
    shutil.copytree(teacher, begun)
    text = (begun / "config.json").read_text()
    (begun / "config.json").write_text(text.replace('"steps": 20', '"steps": 60'))
    assert "is not finished, at step 20 of 60" in refused(begun)
    new = tmp_path / "new"
    new.mkdir()
    shutil.copy(teacher / "config.json", new)
    assert "has no finished checkpoint yet" in refused(new)


def test_settings_that_teach_nothing_are_refused():
    config = configurations.get("demo")

    def refused(**fields):
        with pytest.raises(UserError) as error:
            check(replace(config, distill=replace(config.distill, **fields)))
        return str(error.value)

    assert "distill.task is 0, but nobody teaches" in refused(task=0.0)
    assert "are all 0" in refused(teacher="auto", distance=0.0, angle=0.0, cosine=0.0)
    with pytest.raises(UserError, match=r"data\.unnamed is set, but nobody teaches"):
        check(replace(config, data=replace(config.data, unnamed=True)))
    clips = said("train", "video_similarity", "--workdir=x", "--distill", "y", code=1)
    assert "not of clips" in clips


def test_photos_that_nothing_changes_are_looked_at_once(teacher):
    config = read_run_config(teacher)
    config = replace(
        config,
        augment=Augmentation(),
        distill=replace(config.distill, teacher=f"{teacher},{teacher}"),
    )
    data = load_data(config.data, 0)
    found = teacher_of(config, *data)
    assert found.says is None
    assert found.kept.shape == (len(data[1].train), 16) == (len(found.kept), found.width)
    alone = load_run(teacher).embed(data[0], data[1].train)
    np.testing.assert_allclose(found.kept @ found.kept.T, alone @ alone.T, rtol=1e-4, atol=1e-5)


@pytest.mark.exhaustive
def test_a_published_teacher_of_another_size_sees_what_the_student_sees(
    teacher, tmp_path, monkeypatch
):
    name = draw_weights(monkeypatch, tmp_path / "w.safetensors")
    word = f"{tmp_path / 'w.safetensors'}?backbone={name}&image_size=32"
    config = read_run_config(teacher)
    config = replace(config, augment=Augmentation(), distill=replace(config.distill, teacher=word))
    data = load_data(config.data, 0)
    in_step = replace(config, distill=replace(config.distill, pixels="step"))
    found = teacher_of(in_step, *data)
    images = data[0].load(data[1].train[:3], 24)
    heard = found.says(found.variables, {"image": images}, jax.random.key(0), jax.numpy.arange(3))
    pixels = jax.image.resize(jax.numpy.asarray(images, "float32") / 255, (3, 32, 32, 3), "linear")
    model = open_teachers(config)[0]
    expected = model.task.embedded(model.params, model.model_state, pixels)
    np.testing.assert_allclose(heard, expected, rtol=1e-4, atol=1e-5)
    assert found.width == said_of([model], data[0].subset(np.arange(2))).shape[1] == 512


@pytest.fixture
def nameless(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(40):
        pixels = rng.integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(pixels).resize((30, 30)).save(folder / f"{number}.png")
    return folder


def test_photos_without_names_teach_a_network_to_agree(teacher, nameless, tmp_path):
    workdir = tmp_path / "run"
    changes = {"data__source": f"folder:{nameless}", "data__unnamed": "True", "train__steps": "6"}
    output = said(*words(workdir, **changes), f"--distill={teacher}")
    measures = json.loads((workdir / "report" / "metrics.json").read_text())
    assert 0 <= measures["metrics"]["neighbours"] <= 1
    assert set(measures["baselines"]) == {"untrained network", "raw pixels"}
    assert "validation  neighbours" in output
    assert all("triplet" not in row for row in rows(workdir))
    again = question_of(workdir).report(workdir)
    np.testing.assert_allclose(again["cosines"], measures["metrics"]["cosines"], rtol=1e-4)


def test_photos_of_nobody_are_divided_one_by_one(nameless):
    config = configurations.get("demo")
    data = replace(config.data, source=f"folder:{nameless}", unnamed=True)
    data = complete(replace(config, data=data, distill=replace(config.distill, teacher="a"))).data
    _, splits = load_data(data, 0)
    parts = (splits.train, splits.validation.query, splits.test.query)
    assert sorted(np.concatenate(parts).tolist()) == list(range(40))
    assert [len(part) for part in parts] == [24, 4, 12]
    with pytest.raises(UserError, match="40 photos of nobody leave 1 for one of the parts"):
        load_data(replace(data, validation_fraction=0.02), 0)
