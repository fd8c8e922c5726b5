"""A fourth question in one file: in which direction does this drawn animal look?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import optax

from reid_jax.data.photos import Dataset, UniformSampler
from reid_jax.fields import POSITIVE
from reid_jax.ops.losses.term import Term
from reid_jax.reporting.measure import Measure, by_key
from reid_jax.reporting.report import write_page
from reid_jax.training import config as training
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.experiment import Validation, make_experiment
from reid_jax.training.feed import make_feed
from reid_jax.training.logging import read_metrics
from reid_jax.training.parallel import make_layout
from reid_jax.training.predictor import make_predictor
from reid_jax.training.question import Question
from reid_jax.training.run import restore
from reid_jax.training.task import DividedLoss

SIDE, WAYS = 16, ("right", "down", "left", "up")
MEASURES = by_key(Measure("accuracy", "Accuracy", "How often the direction is right."))


@dataclass(frozen=True)
class DrawnConfig:
    animals: Annotated[int, POSITIVE] = 256
    batch_size: Annotated[int, POSITIVE] = 32


@dataclass(frozen=True)
class DirectionConfig:
    data: DrawnConfig = field(default_factory=DrawnConfig)
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(warmup_steps=2))
    train: TrainConfig = field(default_factory=TrainConfig)


def draw(number: int, seed: int) -> Dataset:
    """A round body somewhere, with a bright head on the side that it looks to."""
    random = np.random.default_rng(seed)
    ways, centres = random.integers(0, 4, number), random.uniform(5, SIDE - 5, (number, 2, 1, 1))
    heads = centres + 3.5 * np.array([[0, 1], [1, 0], [0, -1], [-1, 0]])[ways][..., None, None]
    where = np.stack(np.mgrid[:SIDE, :SIDE])
    body, head = (((where - c) ** 2).sum(1) for c in (centres, heads))
    pixels = np.where(head < 3, 250, np.where(body < 10, 120, random.integers(0, 80, body.shape)))
    names = np.array([f"{n}.png" for n in range(number)])
    return Dataset(names, ways.astype(np.int32), WAYS, pixels=pixels[..., None].astype(np.uint8))


class Net(nn.Module):
    @nn.compact
    def __call__(self, images):
        features = nn.relu(nn.Conv(16, (5, 5), strides=2)(images))
        features = nn.relu(nn.Conv(32, (5, 5), strides=2)(features)).max(axis=(1, 2))
        return nn.Dense(len(WAYS))(features)


@dataclass(frozen=True)
class DirectionTask(DividedLoss):
    monitor: str = "accuracy"

    def init(self, key, batch):
        return Net().init(key, jnp.asarray(batch["image"], jnp.float32)), {}

    def outputs(self, params, model_state, batch, positions, keys, axis_name):
        return self.predict(params, model_state, batch), model_state

    def terms(self, params, outputs, batch, axis_name):
        costs = optax.softmax_cross_entropy_with_integer_labels(outputs, batch["label"])
        return {"cross_entropy": Term(costs.sum(), jnp.float32(costs.shape[0]))}

    def predict(self, params, model_state, batch):
        return Net().apply(params, jnp.asarray(batch["image"], jnp.float32) / 255)

    def evaluate(self, predictions, examples):
        return {"accuracy": float((predictions.argmax(axis=1) == examples["label"]).mean())}


class Direction(Question[DirectionConfig, Dataset]):
    about, config = "a network of drawn animals", DirectionConfig

    def check(self, config):
        training.check(config)

    def load_data(self, config, workdir):
        return config, draw(config.data.animals, config.train.seed)

    def build(self, config, data):
        sampler = UniformSampler(len(data), config.data.batch_size, config.train.seed)
        held = draw(64, config.train.seed + 1)
        options = {"size": SIDE, "channels": 1, "input": "auto", "steps_per_call": 1}
        return make_experiment(
            config,
            task=DirectionTask(),
            feed=make_feed(data, sampler, **options),
            example={"image": data.pixels[:1]},
            validation=Validation(lambda: [{"image": held.pixels}], {"label": held.labels}),
            summary=f"{len(data)} drawn animals",
            counted="images",
        )

    def load(self, workdir):
        *_, params, state, _ = restore(workdir, DirectionConfig)
        predict = make_predictor(DirectionTask(), make_layout("auto"))
        return lambda images: predict(params, state, [{"image": images}]).argmax(axis=1)

    def report(self, workdir: Path):
        test, words = draw(64, 99), {"title": workdir.name, "lead": "Where does it look?"}
        found = {"accuracy": float((self.load(workdir)(test.pixels) == test.labels).mean())}
        words |= {"results": {"this network": found, "by chance": {"accuracy": 0.25}}}
        write_page(workdir / "report", measures=MEASURES, history=read_metrics(workdir), **words)
        return found
