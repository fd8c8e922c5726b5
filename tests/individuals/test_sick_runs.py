"""Trainings that go wrong, each in its way, end with their own sentence."""

from dataclasses import replace

import numpy as np
import pytest

from reid_jax.data.photos import Splits, load_dataset, make_splits
from reid_jax.data.photos.content import content_digests
from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.individuals.experiment import build
from reid_jax.individuals.judge import judge
from reid_jax.individuals.model import load_run
from reid_jax.individuals.split_file import keep_split
from reid_jax.ops.losses.objectives import Contrastive, MarginSoftmax, Triplet
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.config_file import claim_workdir
from reid_jax.training.loop import fit
from reid_jax.training.parallel import make_layout

LOSSES = {
    "triplet": Triplet(margin=0.3, mining="all"),
    "hardest": Triplet(margin=0.3, mining="hard"),
    "contrastive": Contrastive(margin=1.0),
    "arcface": MarginSoftmax(scale=16.0, margin=0.3),
}
SIDE = 16
CONSEQUENCES = {"no better", "few individuals"}
"""What is said beside a cause: a sick network is worse than raw pixels, and the sets are small."""


def drawn(individuals=30, photos=8):
    """Drawn individuals without days, and which of them are trained on and held out."""
    dataset = load_dataset(f"synthetic:{individuals}x{photos}")
    pixels = dataset.load(np.arange(len(dataset)), SIDE, 3)
    dataset = replace(dataset, pixels=pixels, columns={})
    return dataset, make_splits(dataset, "identity", test_fraction=0.4, validation_fraction=0.2)


def with_shuffled_names(dataset, splits):
    labels = np.random.default_rng(0).permutation(dataset.labels)
    return replace(dataset, labels=labels), make_splits(
        replace(dataset, labels=labels), "identity", test_fraction=0.4, validation_fraction=0.2
    )


def with_single_photos(dataset, splits):
    """Two individuals keep all of theirs, so that there are pairs at all."""
    train = splits.train
    _, first, label = np.unique(dataset.labels[train], return_index=True, return_inverse=True)
    return dataset, splits._replace(train=np.union1d(train[first], train[label < 2]))


def among_many(dataset, splits):
    """So many individuals in a batch that the hardest other one is nearer than the own photos: at
    the usual rate, a hinge then falls to its margin and no further."""
    return drawn(80)


def with_copies(dataset, splits):
    """What is searched for has been trained on, a little darker and with noise."""
    test = np.unique(splits.test.query)
    noise = np.random.default_rng(0).normal(0, 3, (len(test), SIDE, SIDE, 3))
    copies = np.clip(0.9 * dataset.pixels[test] + noise, 0, 255).astype(np.uint8)
    both = replace(
        dataset,
        paths=np.concatenate([dataset.paths, np.char.add(dataset.paths[test], "-copy")]),
        labels=np.concatenate([dataset.labels, dataset.labels[test]]),
        pixels=np.concatenate([dataset.pixels, copies]),
    )
    new = len(dataset) + np.arange(len(test))
    return both, Splits(np.concatenate([splits.train, new]), splits.validation, splits.test)


def symptoms_of(workdir, loss, prepared, *, rate=1e-3, steps=48, batch=16):
    """Names of what is found wrong."""
    config = EmbeddingConfig(
        data=DataConfig(
            source="synthetic:30x8",
            image_size=SIDE,
            batch_size=batch,
            sampler="pairs" if isinstance(loss, Contrastive) else "identities",
        ),
        model=ModelConfig(backbone="small_cnn", embedding_dim=16),
        loss=loss,
        optimizer=OptimizerConfig(learning_rate=rate, warmup_steps=4),
        train=TrainConfig(
            steps=steps, log_every=2, evaluate_every=16, checkpoint_every=16, parallel="single"
        ),
    )
    dataset, splits = prepared
    claim_workdir(workdir, config)
    keep_split(workdir, dataset, splits)
    fit(build(config, dataset, splits), config.train, make_layout("single"), workdir, ema_decay=0)
    found = judge(
        *(load_run(workdir), dataset, splits.test),
        split="identity",
        learnt=content_digests(dataset)[splits.train],
        trained=dataset.subset(splits.train),
    )
    return {each.name for each in found.symptoms}


def case(expected, loss, *prepare, long=True, **options):
    marks = (pytest.mark.exhaustive,) if long else ()
    name = f"{expected}-{loss}-{'-'.join(f'{k}={v}' for k, v in options.items())}"
    return pytest.param(expected, loss, prepare, options, id=name, marks=marks)


@pytest.mark.parametrize(
    ("expected", "loss", "prepare", "options"),
    [
        case("collapsed", "arcface", rate=3.0, long=False),
        case("collapsed", "contrastive", rate=1.0),
        case("collapsed", "triplet", rate=1.0),
        case("collapsed", "hardest", rate=1e-2, steps=96),
        case("collapsed", "hardest", among_many, batch=128),
        case("guessing", "arcface", with_shuffled_names, long=False),
        case("guessing", "contrastive", with_shuffled_names),
        case("guessing", "triplet", with_shuffled_names),
        case("single photos", "triplet", with_single_photos, long=False),
        case("leaked", "arcface", with_copies, long=False),
        case("leaked", "contrastive", with_copies),
        case("over-fitted", "arcface", steps=96),
        case("over-fitted", "triplet", steps=96),
    ],
)
def test_each_ends_with_its_own_sentence(expected, loss, prepare, options, tmp_path, capsys):
    prepared = drawn()
    for change in prepare:
        prepared = change(*prepared)
    found = symptoms_of(tmp_path, LOSSES.get(loss, loss), prepared, **options)
    # Photos that lie on both sides are known by heart.
    consequences = CONSEQUENCES | ({"over-fitted"} if expected == "leaked" else set())
    assert found - consequences == {expected}
    if expected == "collapsed":
        said = capsys.readouterr().out  # while it trains
        assert "The embeddings have collapsed" in said or "The loss does not fall" in said
