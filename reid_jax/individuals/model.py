"""The network of a run folder, ready to embed photos."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from reid_jax.console import say
from reid_jax.data.photos import Dataset, Splits
from reid_jax.data.photos.content import content_digests, pixel_names
from reid_jax.data.photos.given import Photos, as_pixels, photo_blocks
from reid_jax.data.photos.stream import in_parts
from reid_jax.errors import UserError
from reid_jax.export.exportable import Exportable
from reid_jax.export.program import Program
from reid_jax.export.trial import Trial
from reid_jax.files import write_arrays
from reid_jax.individuals.config import EmbeddingConfig, ModelConfig
from reid_jax.individuals.experiment import (
    make_task,
    net_as_published,
    published_start,
    whitening_set,
)
from reid_jax.individuals.exported import example_photos, photo_program
from reid_jax.individuals.fingerprint import fingerprint
from reid_jax.individuals.glossary import FROZEN, TUNED
from reid_jax.individuals.kept import Kept, named
from reid_jax.individuals.measures import raw_pixel_embeddings
from reid_jax.individuals.split_file import load_run_data
from reid_jax.individuals.task import EmbeddingTask
from reid_jax.individuals.trial import photo_trial
from reid_jax.individuals.validation import WHITENED_BY
from reid_jax.ops.keys import initial_key
from reid_jax.ops.whitening import some_of_each, whitened, within_class_whitening
from reid_jax.training.hosts.agreement import digest
from reid_jax.training.hosts.shares import BATCH, BLOCK, Shares, share_size
from reid_jax.training.logging import read_metrics
from reid_jax.training.parallel import Layout, make_layout
from reid_jax.training.paths import absolute_photos
from reid_jax.training.predictor import Predict, make_predictor
from reid_jax.training.run import TrainedRun, restore, restore_last

_SMALL = 32  # pixels a side that are compared as they are


class Network(NamedTuple):
    """What predicts, its variables, and which part of them makes the rows."""

    predict: Predict
    params: Any
    model_state: Any
    ends_with: str = "embedding"


@dataclass(frozen=True)
class TrainedModel(TrainedRun, Exportable):
    """The best network of a run that embeds photos."""

    config: EmbeddingConfig
    word = "embed"

    @cached_property
    def task(self) -> EmbeddingTask:
        """The network, without the head for the training individuals."""
        return make_task(self.config, num_classes=0)

    @cached_property
    def layout(self) -> Layout:
        """The devices that it embeds on."""
        return make_layout(self.config.train.parallel)

    @cached_property
    def _predict(self) -> Predict:
        return make_predictor(self.task, self.layout, batch_size=BATCH)

    @cached_property
    def fingerprint(self) -> str:
        """Names what turns a photo into an embedding, see there."""
        return self._fingerprint(self.config.model, self.trained)

    def _fingerprint(self, model: ModelConfig, network: Network) -> str:
        augment, task = self.config.augment, self.task
        variables = network.params["net"], network.model_state
        return fingerprint(model, augment, self._shape, task.mean, task.std, variables)

    def load_data(self) -> tuple[Dataset, Splits]:
        """The photos that the run was made from, divided as they were then."""
        seed = self.config.train.seed
        return load_run_data(self.workdir, self.config.data, seed, training=False)

    def with_photos_at(self, source: str) -> "TrainedModel":
        """The same run, whose photos are at `source` now."""
        data = replace(self.config.data, source=absolute_photos(source))
        return replace(self, config=replace(self.config, data=data))

    def embed(
        self,
        photos: Dataset | Photos,
        indices: np.ndarray | None = None,
        *,
        shares: Shares | None = None,
    ) -> np.ndarray:
        """Embeddings (N, D) float32 of photos, in their order.

        Args:
          photos: files, arrays uint8 (H, W, C), Pillow's images, or a mixture; an array (B, H, W,
            C), or a generator, which is read a few hundred at a time; a single photo is one row. Or
            a `Dataset`.
          indices: (N,) rows of a `Dataset`; by default all.
          shares: divides a `Dataset` over processes, see `embed_each`.

        A large JPEG file is decoded at a fraction of its size where the network sees it small, so
        that its embedding differs from that of the decoded array: by up to 0.03 at 48 pixels.

        Raises:
          UserError: a photo cannot be used; it is named.

        Example:
          >>> model = rj.load("runs/mine")
          >>> z = model.embed(["photos/animal 1/0.png", np.zeros((40, 30, 3), np.uint8)])
          >>> z.shape, z.dtype
          ((2, 8), dtype('float32'))
        """
        if isinstance(photos, Dataset):
            some = photos if indices is None else photos.subset(indices)
            return self.finished(self._by_network(some, shares))
        size, _, channels = self._shape
        blocks = ({"image": block} for block in photo_blocks(photos, size, channels))
        if (first := next(blocks, None)) is None:
            return np.zeros((0, self._dimension), np.float32)
        chained = itertools.chain([first], blocks)
        return self.finished(self._predict(self.params, self.model_state, chained))

    def finished(self, embeddings: np.ndarray, network: Network | None = None) -> np.ndarray:
        """What the network made of photos, (N, D), whitened if the run's embeddings are.

        Args:
          network: another than the run's, then whitened by what it makes of the training photos.
        """
        if not self.config.model.whiten:
            return embeddings
        found = self.whitening if network is None else self._find_whitening(network)
        return whitened(embeddings, *found, self.task.metric)

    def _by_network(self, photos: Dataset, shares: Shares | None = None) -> np.ndarray:
        return self.embed_each(photos, {"z": self.trained}, shares)["z"]

    def program(self) -> Program:
        """Pixels to embeddings, with views and whitening; in float32, whatever the run computes in.

        Raises:
          UserError: the run's embeddings are whitened, and nothing is there to whiten them by.
        """
        wide = replace(self.config, model=replace(self.config.model, dtype="float32"))
        size, _, channels = self._shape
        run = replace(self, config=wide)
        variables = self.params, self.model_state

        def answers(images: np.ndarray) -> np.ndarray:
            return self.finished(run._predict(*variables, [{"image": images}]))

        return photo_program(
            wide,
            run.task,
            variables,
            self.whitening if self.config.model.whiten else None,
            example_photos(size, channels, as_pixels),
            answers,
            {"network": str(self.workdir.name), "step": self.step},
            self.fingerprint,
        )

    def trial(self, source: str, number: int) -> Trial:
        """Photos to calibrate with, of a source or of the training, and the run's test photos."""
        facts = self.config, self._shape, self.task.metric
        return photo_trial(source, number, self.load_data, *facts)

    @cached_property
    def blend(self) -> float | None:
        """How far the network is from the published one (0) to the trained one (1).

        None for a run that has not compared them.
        """
        found = [row["blend"] for row in read_metrics(self.workdir) if "blend" in row]
        return found[-1] if found and self.config.model.pretrained else None

    def ends(self) -> dict[str, Network]:
        """What the run has compared with its network, by name: as published, and as trained."""
        found = {}
        if self.blend not in (None, 1.0) and (last := restore_last(self.workdir)) is not None:
            found[TUNED] = Network(self._predict, *last)
        if self.blend not in (None, 0.0) and (frozen := self.frozen) is not None:
            found[FROZEN] = frozen
        return found

    def embed_each(
        self,
        dataset: Dataset,
        networks: Mapping[str, Network],
        shares: Shares | None = None,
        *,
        pixels: bool = False,
    ) -> dict[str, np.ndarray]:
        """What each of some networks makes of the photos, (N, D) by name, reading them once.

        Args:
          shares: divides the photos over processes; after it only the first one goes on.
          pixels: whether "raw pixels" is among what is made.
        """
        size, _, channels = self._shape
        shown = pixel_names(dataset)
        placed = {
            name: self.layout.everywhere((each.params, each.model_state))
            for name, each in networks.items()
        }
        makers = {name: self._named(network) for name, network in networks.items()}

        def made(rows: np.ndarray, block: int, progress: str | None) -> Iterator[dict[str, Any]]:
            parts = np.split(rows, range(block, len(rows), block))
            names = [None if shown is None else shown[part] for part in parts]
            there = [
                {name: Kept(maker, those, len(part)) for name, maker in makers.items()}
                for part, those in zip(parts, names, strict=True)
            ]
            missing = [np.any([each.missing for each in one.values()], axis=0) for one in there]
            wanted = [part[some] for part, some in zip(parts, missing, strict=True)]
            blocks = in_parts(dataset, wanted, size=size, channels=channels, progress=progress)
            for n, photos in enumerate(blocks):
                found = {}
                for name, kept in there[n].items():
                    image = photos["image"][kept.missing[missing[n]]]
                    params, state = placed[name]
                    run = partial(networks[name].predict, params, state, [{"image": image}])
                    found[name] = kept.filled(run)
                if pixels:
                    shape = _SMALL, _SMALL, channels
                    small = Kept(named("pixels", shape), names[n], len(parts[n]), np.uint8, shape)
                    load = partial(dataset.load, parts[n][small.missing], _SMALL, channels)
                    found["raw pixels"] = raw_pixel_embeddings(small.filled(load), _SMALL)
                yield found

        rows, words = np.arange(len(dataset)), "embedding photos"
        parts: Sequence[Mapping[str, np.ndarray]]
        if shares is None:
            parts = list(made(rows, BLOCK, words))
        else:
            # Each batch is as it is in one process, so that the numbers are the same bytes.
            each = BLOCK if BATCH % self.layout.size else share_size(len(rows))

            def share(own: Sequence[int]) -> Iterator[dict[str, Any]]:
                return made(np.concatenate([rows[n * each :][:each] for n in own]), each, None)

            asked = self._asked(dataset) | {"what is made": [*networks, pixels]}
            number = -(-len(rows) // each)
            parts = shares.collect(
                *(asked, number, share),
                each=each,
                total=len(rows),
                description=words,
                unit="photos",
            )
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _named(self, network: Network) -> bytes:
        """What turns photos into a network's rows, whitening apart, which comes after."""
        model = replace(self.config.model, whiten=0.0)
        each = BATCH // self.layout.size  # compiled for so many
        devices = self.layout.description
        return named(network.ends_with, self._fingerprint(model, network), devices, each)

    def _asked(self, dataset: Dataset) -> dict[str, Any]:
        """What embeddings of photos follow from, by which processes know that they do the same."""
        return {
            "the network": self.fingerprint,
            "its configuration": digest(np.array(repr(self.config.model))),
            "the seed": self.config.train.seed,
            "the number of photos": len(dataset),
            "their paths": digest(dataset.paths),
            "their content": digest(content_digests(dataset)),
        }

    @property
    def trained(self) -> Network:
        """Without whitening."""
        return Network(self._predict, self.params, self.model_state)

    @property
    def untrained(self) -> Network:
        """The same network with random parameters."""
        key = initial_key(self.config.train.seed, self.config.train.streams)
        return Network(self._predict, *self.task.init(key, self._example))

    @property
    def frozen(self) -> Network | None:
        """The published network that training started from, if any, as it was published.

        None, and a sentence, where the published weights are no longer where they were.
        """
        model = self.config.model
        if not model.pretrained:
            return None
        try:
            start = published_start(model)
        except (UserError, OSError) as error:
            say(f"no row for frozen features: {error}")
            return None
        task = replace(self.task, net=net_as_published(model))
        variables = start(*task.init(jax.random.key(0), self._example))
        return Network(make_predictor(task, self.layout), *variables, ends_with="features")

    @cached_property
    def whitening(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (D,) and matrix (D, D) from training photos, kept beside the run once made."""
        file = self.workdir / "whitening.npz"
        if file.is_file():
            with np.load(file) as kept:
                if str(kept["network"]) == self.fingerprint:
                    return kept["mean"], kept["matrix"]
        mean, matrix = self._find_whitening(self.trained)
        network = np.array(self.fingerprint)
        with contextlib.suppress(OSError):  # a run that cannot be written to is still of use
            write_arrays(file, {"network": network, "mean": mean, "matrix": matrix})
        return mean, matrix

    def _find_whitening(self, network: Network) -> tuple[np.ndarray, np.ndarray]:
        dataset, splits = self.load_data()
        train = whitening_set(dataset, splits, symmetries=self.config.data.symmetries)
        rows = some_of_each(train.labels, WHITENED_BY, self.config.train.seed)
        if not len(rows):
            raise UserError(
                f"{self.workdir} has model.whiten set, but whitening.npz for these parameters is "
                "missing, and so are two training photos of an individual to make it from."
            )
        say(f"whitening by {len(rows):,} training photos")
        train = train.subset(rows)
        embeddings = self.embed_each(train, {"z": network})["z"]
        return within_class_whitening(embeddings, train.labels, self.config.model.whiten)

    @property
    def _shape(self) -> tuple[int, int, int]:
        data = self.config.data
        return data.embedded_size, data.embedded_size, data.channels

    @property
    def _dimension(self) -> int:
        variables = self.params, self.model_state
        return int(jax.eval_shape(self.task.predict, *variables, self._example).shape[-1])

    @property
    def _example(self) -> dict[str, np.ndarray]:
        return {"image": np.zeros((1, *self._shape), np.uint8)}


def load_run(workdir: Path) -> TrainedModel:
    """The best checkpoint of a run that trained an embedding network.

    Raises:
      UserError: when the folder is not that of such a run, or nothing was saved yet.
    """
    return TrainedModel(workdir, *restore(workdir, EmbeddingConfig))


def embed_beside_baselines(
    model: TrainedModel, photos: Dataset, shares: Shares | None = None, *, finished: bool = True
) -> dict[str, np.ndarray]:
    """Embeddings (N, D) of the same photos by the network and by what it has to beat, by name.

    `shares` divides the photos over processes, see `TrainedModel.embed_each`; without `finished`
    the network's are as they are before any whitening.
    """
    networks = {"this network": model.trained, **(ends := model.ends())}
    if model.blend is None:  # else those that it has compared say more
        networks["untrained network"] = model.untrained
    if FROZEN not in ends and (frozen := model.frozen) is not None:
        networks["frozen features"] = frozen
    embeddings = model.embed_each(photos, networks, shares, pixels=True)
    if FROZEN in ends:
        embeddings["frozen features"] = embeddings[FROZEN]
    for name in (*(["this network"] if finished else []), *ends):
        embeddings[name] = model.finished(embeddings[name], ends.get(name))
    order = ["this network", TUNED, FROZEN, "untrained network", "raw pixels", "frozen features"]
    return {name: embeddings[name] for name in order if name in embeddings}
