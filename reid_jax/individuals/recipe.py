"""What is chosen for photos that nobody has tried before, from their number and the time given.

`choose` is a pure function; each rule says why, and where it was measured. The rest of the file
hands it what it looks at, and writes what it says into the configuration.
"""

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reid_jax.console import counted, say
from reid_jax.data.photos import Dataset, Splits
from reid_jax.errors import UserError
from reid_jax.fields import left_open, with_values
from reid_jax.individuals.config import EmbeddingConfig, complete
from reid_jax.individuals.experiment import build
from reid_jax.individuals.glossary import FROZEN, MIXTURE, TUNED
from reid_jax.individuals.teaching import teacher_of
from reid_jax.individuals.validation import WHITENED_BY, whitening_photos
from reid_jax.training.config import OPEN
from reid_jax.training.config_file import has_begun, is_run, read_config
from reid_jax.training.hosts.join import is_first
from reid_jax.training.parallel import Layout
from reid_jax.training.rate import Rate, measure

Photos = tuple[Dataset, Splits]


class Network(NamedTuple):
    """A backbone and the side of the photos that it is trained on, pixels."""

    backbone: str
    image_size: int

    @property
    def embed_size(self) -> int:
        """The side at which photos are embedded.

        A crop shows an animal larger than a whole photo does: trained at 128 pixels, Rank-1 / mAP
        on validation days of turtles were 0.226 / 0.092 at 128, 0.226 / 0.100 at 160 and 0.230 /
        0.094 at 192. Published features want it larger: of antelopes (identity) Rank-1 was 0.222
        at 128 and 0.245 at 192, mean of four draws.
        """
        return max(192, self.image_size + 32)

    def cost(self, measured: "Network") -> float:
        """Multiply-adds of a training step, in those of the same backbone's that was measured."""
        return (self.image_size / measured.image_size) ** 2

    def embed_cost(self, measured: "Network") -> float:
        """Multiply-adds of an embedding, likewise."""
        return (self.embed_size / measured.embed_size) ** 2


LITE0 = "tf_efficientnet_lite0"
MEASURED = Network(LITE0, 128)
NETWORKS = (Network(LITE0, 96), MEASURED, Network(LITE0, 160), Network(LITE0, 224))
"""By rising cost. A larger photo is taken where the passes below still fit into the time."""
BATCH = 64
"""All of what follows was measured on turtles at 64, and nothing at another."""
PASSES = 20
"""So often training sees each photo, at least, before larger ones are worth their time: after 2,000
steps at 128 pixels, as many, the loss of turtles still fell (0.435 / 0.289 on the later days)."""
MOST_PASSES = 60
"""A bound against learning by heart; not measured."""
FEWEST_STEPS = 40
"""With fewer the features are given as they are; not measured."""
WARM_UP = 0.1
"""Of the steps; turtles had 100 of 2,000."""
MARGIN = 0.3
"""On turtles; another, or another for fewer individuals, was not measured."""
FEWEST_TO_VALIDATE = 4
"""Individuals with two photos; with fewer nobody can say whether training helped."""
HELD_BACK = 0.12
"""Of the time for training: no machine is as fast all the time."""
_IMPORTS = 10.0  # seconds before the clock of a run starts
_PAGE = 30.0  # seconds for the report's figures
_VALIDATIONS, _THEIR_SHARE = 3, 0.1  # before the last one, in that part of the time at most
_SAVED_EVERY = 120.0  # seconds, about


class Facts(NamedTuple):
    """What is counted in the photos.

    Attributes:
      individuals, photos: that are trained on; mirror images count as others.
      judges: individuals in the validation photos that can be found.
      validated: photos that a validation embeds, those that whiten it among them.
      reported: the same of the report, for each network; it embeds none of them twice.
    """

    individuals: int
    photos: int
    judges: int
    validated: int
    reported: int


class Choice(NamedTuple):
    """What was chosen; `reasons` is a sentence each."""

    network: Network
    batch_size: int
    steps: int
    warmup_steps: int
    evaluate_every: int
    checkpoint_every: int
    margin: float
    reasons: tuple[str, ...]


def choose(
    facts: Facts,
    rate: Rate | None,
    seconds: float,
    *,
    mixtures: int,
    each: int = 4,
    devices: int = 1,
    unit: int = 1,
    steps: int = OPEN,
    networks: Sequence[Network] = NETWORKS,
    measured: Network = MEASURED,
) -> Choice:
    """A network and a training for so many photos in so many seconds.

    - The network is the largest for which the time holds `PASSES` over the photos; where even the
      smallest does not get there, the smallest.
    - Steps are as many as the time holds, `MOST_PASSES` over the photos at most.
    - A batch is `BATCH` photos, or `each` of every individual where there are fewer.
    - With fewer than `FEWEST_TO_VALIDATE` individuals to validate on, or `FEWEST_STEPS` steps,
      nothing is trained: the run gives the features of the published weights.

    Args:
      rate: of the network that was `measured`; None where the steps are given.
      seconds: that are left, report included.
      mixtures: how many are judged beside the trained network.
      each: photos of an individual in a batch, of which it is a multiple.
      devices: that share a batch equally, where there are photos enough.
      unit: what the steps are a multiple of.
      steps: how many, where they are given.
      networks: by rising cost.
    """
    share = math.lcm(each, devices)
    batch = min(BATCH, each * max(facts.individuals, 1))
    batch = batch // share * share or batch // each * each
    if steps == 0:
        return _frozen(measured, batch, f"Nothing is trained (train.steps 0): {_FEATURES}.")
    if steps == OPEN and facts.judges < FEWEST_TO_VALIDATE:
        who = counted(facts.judges, "individual", "individuals")
        return _frozen(
            measured,
            batch,
            f"Validation has {who} with a match, and {FEWEST_TO_VALIDATE} are the fewest that can "
            f"say whether training helped: {_FEATURES}.",
        )
    most = max(MOST_PASSES * facts.photos // batch // unit * unit, unit)
    network, found, second, validations = measured, steps, 0.0, _VALIDATIONS
    if steps == OPEN:
        assert rate is not None
        wanted = max(PASSES * facts.photos / batch, FEWEST_STEPS)
        for network in reversed(networks):
            second = rate.step * network.cost(measured)
            beside = spent_beside(facts, rate, network, mixtures, measured)
            room = max(seconds - beside, 0.0)
            one = facts.validated * rate.example * network.embed_cost(measured)
            spare = min(_THEIR_SHARE * room, _VALIDATIONS * one)
            validations = int(spare / one + 1e-9)
            found = math.floor((1 - HELD_BACK) * (room - spare) / second) // unit * unit
            if found >= wanted:
                break
        if found < FEWEST_STEPS:
            return _frozen(
                measured,
                batch,
                f"The time holds {counted(found, 'step', 'steps')} of {batch} photos, and "
                f"{FEWEST_STEPS} are the fewest that are worth it: {_FEATURES}.",
            )
    taken = min(found, most) if steps == OPEN else steps
    passes = taken * batch / facts.photos
    reasons = [
        f"{network.backbone} at {network.image_size} pixels"
        + (_why_this_size(network, networks, found >= wanted) if steps == OPEN else "."),
        f"{taken:,} steps of {batch} photos, {passes:.0f} passes over {facts.photos:,} photos of "
        f"{facts.individuals:,} individuals (mirror images are others)"
        + (_why_so_many(taken, found, second) if steps == OPEN else ", as given."),
        f"Margin {MARGIN:g} on the angle, for any number of individuals.",
    ]
    share = -(-taken // (validations + 1))
    often = max(round(_SAVED_EVERY / second), 1) if second else share
    return Choice(
        network,
        batch,
        taken,
        warmup_steps=int(WARM_UP * taken),
        evaluate_every=-(-share // unit) * unit,
        checkpoint_every=-(-min(often, taken) // unit) * unit,
        margin=MARGIN,
        reasons=tuple(reasons),
    )


def spent_beside(
    facts: Facts, rate: Rate, network: Network, mixtures: int, measured: Network = MEASURED
) -> float:
    """The seconds of a run that are not training: before it, its last validation, the report.

    Each of the mixtures, and the trained network, is a row of the report that is embedded anew.
    """
    rows = min(mixtures, 2) + 1
    embedded = (1 + mixtures) * facts.validated + rows * facts.reported
    embedding = network.embed_cost(measured) * embedded * rate.example
    return network.cost(measured) * rate.begin + embedding + 2 * rate.compile + _PAGE


_FEATURES = "the run gives the features of the published weights as they are"


def _frozen(network: Network, batch: int, reason: str) -> Choice:
    return Choice(network, batch, 0, 0, 1, 1, MARGIN, (reason,))


def _why_this_size(network: Network, networks: Sequence[Network], enough: bool) -> str:
    if len(networks) == 1:
        return ", as given."
    if not enough:
        return f", the smallest: the time does not hold {PASSES} passes over the photos."
    if network == networks[-1]:
        return ", the largest there is."
    return f", the largest for which the time holds {PASSES} passes over the photos."


def _why_so_many(taken: int, found: int, second: float) -> str:
    if taken < found:
        return f": no more than {MOST_PASSES} passes."
    return f": what the time holds at {second:.2f} seconds a step, measured here once."


def chosen(
    config: EmbeddingConfig, data: Photos, layout: Layout, started: float
) -> EmbeddingConfig:
    """The configuration with a choice for every field that is left to it; says what and why.

    Raises:
      UserError: several processes, which would have to agree.
    """
    undecided = left_open(config)
    if not config.minutes or not undecided:
        return config
    # 1.3 times as fast a step on two cores with AVX512-BF16.
    if "model.dtype" in undecided:
        config = with_values(config, {"model.dtype": "bfloat16" if layout.narrow else "float32"})
    facts = _facts(config, *data)
    networks = _networks(config)
    options: dict[str, Any] = {
        "mixtures": len(config.train.blend),
        "each": config.data.photos_per_identity if config.data.sampler == "identities" else 4,
        "devices": layout.size * config.train.accumulate,
        "unit": config.train.steps_per_call,
        "steps": config.train.steps,
        "networks": networks,
        "measured": next((n for n in networks if n.image_size == MEASURED.image_size), networks[0]),
    }
    rate = None
    if config.train.steps == OPEN and facts.judges >= FEWEST_TO_VALIDATE:
        say("measuring how fast this machine trains")
        tried = _with(config, choose(facts, None, 0.0, **{**options, "steps": 1000}))
        size, ema = tried.data.embedded_size, tried.optimizer.ema_decay > 0
        example = {"image": np.zeros((1, size, size, tried.data.channels), np.uint8)}
        teacher = teacher_of(tried, *data)
        rate = measure(lambda: build(tried, *data, teacher), tried.train, layout, example, ema=ema)
    left = 60 * config.minutes - _IMPORTS - (time.perf_counter() - started)
    choice = choose(facts, rate, left, **options)
    if is_first():
        for reason in choice.reasons:
            say(reason)
    return _with(config, choice)


def _networks(config: EmbeddingConfig) -> tuple[Network, ...]:
    """Those that may be chosen, where the backbone or the size may be given."""
    undecided = left_open(config)
    found: tuple[Network, ...] = NETWORKS
    if "data.image_size" not in undecided:
        found = (Network(LITE0, config.data.image_size),)
    if "model.backbone" not in undecided:
        found = tuple(each._replace(backbone=config.model.backbone) for each in found)
    return found


def _with(config: EmbeddingConfig, choice: Choice) -> EmbeddingConfig:
    values = {
        "data.image_size": choice.network.image_size,
        "data.embed_size": choice.network.embed_size,
        "data.batch_size": choice.batch_size,
        "model.backbone": choice.network.backbone,
        "loss.margin": choice.margin,
        "optimizer.warmup_steps": choice.warmup_steps,
        "train.steps": choice.steps,
        "train.evaluate_every": choice.evaluate_every,
        "train.checkpoint_every": choice.checkpoint_every,
    }
    undecided = left_open(config)
    found = with_values(config, {name: values[name] for name in undecided if name in values})
    return complete(dataclasses.replace(found, choices=choice.reasons))


def _facts(config: EmbeddingConfig, dataset: Dataset, splits: Splits) -> Facts:
    labels = dataset.labels
    train, copies = labels[splits.train], config.data.symmetries
    whitens = config.model.whiten > 0
    judges = validated = 0
    if splits.validation is not None:
        query, gallery = splits.validation
        judges = len(np.intersect1d(labels[query], labels[gallery]))
        seen = len(np.union1d(query, gallery))
        seen = min(seen, config.data.validation_photos or seen)
        validated = seen + whitens * min(whitening_photos(seen), len(train))
    return Facts(
        individuals=len(np.unique(train)) * copies,
        photos=len(train) * copies,
        judges=judges,
        validated=validated,
        reported=len(np.union1d(np.union1d(*splits.test), splits.train[: whitens * WHITENED_BY])),
    )


def kept_choice(workdir: Path, config: EmbeddingConfig) -> EmbeddingConfig:
    """The configuration with what the run in `workdir` has chosen: a run chooses once.

    One that has saved nothing yet keeps its choice too, unless it is asked for something else.

    Raises:
      UserError: the run has begun, and was given another time.
    """
    if not config.minutes or not is_run(workdir):
        return config
    kept, begun = read_config(workdir, EmbeddingConfig), has_begun(workdir)
    if not kept.choices:
        return config
    if begun and kept.minutes != config.minutes:
        raise UserError(
            f"{workdir} chose its {kept.train.steps:,} steps for --minutes {kept.minutes:g} and "
            "keeps them; go on with that, or longer with --train.steps N beside it, or choose anew "
            "in another --workdir."
        )
    values = {name: attrgetter(name)(kept) for name in left_open(config)}
    found = complete(dataclasses.replace(with_values(config, values), choices=kept.choices))
    if begun and found.train.steps != kept.train.steps:
        longer = f"Trained on to {found.train.steps:,} steps, as given."
        return dataclasses.replace(found, choices=(*kept.choices, longer))
    return found if begun or found == kept else config


def compared(history: Sequence[Mapping[str, float]]) -> list[str]:
    """What validation said of the published network, the trained one, and those between, if asked.

    Args:
      history: rows of the run's metrics.jsonl.
    """
    values = {
        float(name.partition("/")[2]): value
        for row in history
        for name, value in row.items()
        if name.startswith("blend/")
    }
    given = [row["blend"] for row in history if "blend" in row]
    if not values or not given:
        return []
    each = ", ".join(f"{_name(share)} {value:.3f}" for share, value in sorted(values.items()))
    return [
        f"mAP on validation photos that none was trained on: {each}. "
        f"The run gives the {_name(given[-1])}.",
        "What is called a network here has the run's views and whitening; frozen features have no "
        "whitening.",
    ]


def _name(share: float) -> str:
    if share in (0.0, 1.0):
        return TUNED if share else FROZEN
    return f"{MIXTURE} with {share:.0%} of the {TUNED}"
