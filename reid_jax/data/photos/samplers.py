"""Which photos make a batch: pure functions of (seed, step), so that resuming needs no state."""

import functools

import numpy as np

from reid_jax.errors import UserError

_STEP, _PASS = 0, 1  # keeps the two kinds of random streams of one seed apart


def _generator(seed: int, kind: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, kind, number])))


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, number: int, length: int) -> np.ndarray:
    permutation = _generator(seed, _PASS, number).permutation(length)
    permutation.setflags(write=False)
    return permutation


def _from_pass(seed: int, step: int, length: int, count: int) -> np.ndarray:
    """`count` of `length` things, without repetition; ceil(length / count) steps visit all of them.

    The last step of a pass is filled up from the head of its own permutation.
    """
    number, position = divmod(int(step), -(-length // count))
    return _permutation(seed, number, length)[(position * count + np.arange(count)) % length]


class _Groups:
    """Photos grouped by individual: `order[starts[g] : starts[g] + sizes[g]]` are those of g."""

    def __init__(self, labels: np.ndarray):
        self.order = np.argsort(labels, kind="stable")
        _, self.starts, self.sizes = np.unique(
            labels[self.order], return_index=True, return_counts=True
        )

    def __len__(self) -> int:
        return len(self.sizes)


class IdentitySampler:
    """P individuals x K photos; the K photos of an individual are adjacent.

    Individuals do not repeat within a batch, and as few steps as can do so visit each of them.
    Photos of an individual do not repeat either while it has enough; then they are cycled.

    Example:
      >>> labels = np.repeat(np.arange(10), 5)  # fifty photos of ten individuals
      >>> sampler = rj.IdentitySampler(labels, 4, 2, seed=0)
      >>> labels[sampler(0)].tolist()  # of step 0
      [1, 1, 5, 5, 6, 6, 4, 4]
    """

    def __init__(
        self, labels: np.ndarray, identities_per_batch: int, photos_per_identity: int, seed: int
    ):
        """Args:
          labels: int (N,), the individual of each photo that may be drawn.
          identities_per_batch: P.
          photos_per_identity: K.
          seed: not negative.

        Raises:
          UserError: there are fewer than P individuals, or none with two photos although K > 1.
        """
        self._groups = _Groups(np.asarray(labels))
        self._seed = seed
        self.identities_per_batch, self.photos_per_identity = (
            identities_per_batch,
            photos_per_identity,
        )
        if identities_per_batch < 1 or photos_per_identity < 1:
            raise UserError(
                f"A batch of {identities_per_batch} individuals x {photos_per_identity} photos is "
                "empty: both must be at least 1."
            )
        if identities_per_batch > len(self._groups):
            raise UserError(
                f"A batch asks for {identities_per_batch} individuals, the training photos show "
                f"{len(self._groups)}: set data.batch_size to "
                f"{len(self._groups) * photos_per_identity} or less."
            )
        if photos_per_identity > 1 and self._groups.sizes.max() < 2:
            raise UserError(
                "No individual has two training photos, so there is nothing to learn a match from: "
                "add photos of the same individuals."
            )

    @property
    def batch_size(self) -> int:
        """Photos a step: P * K."""
        return self.identities_per_batch * self.photos_per_identity

    def __call__(self, step: int) -> np.ndarray:
        """int64 (P * K,): indices into `labels`."""
        groups, P, K = self._groups, self.identities_per_batch, self.photos_per_identity
        chosen = _from_pass(self._seed, step, len(groups), P)
        sizes, generator = groups.sizes[chosen], _generator(self._seed, _STEP, step)
        picks = np.empty((P, K), np.int64)
        taken = np.empty((P, 0), np.int64)
        for k in range(K):
            # The r-th photo not yet taken: r, moved up by one for each taken photo at or below it.
            pick = generator.integers(np.maximum(sizes - k, 1))
            for earlier in taken.T:
                pick = pick + (pick >= earlier)
            picks[:, k] = np.where(k < sizes, pick, picks[np.arange(P), k % sizes])
            taken = np.sort(np.concatenate([taken, pick[:, None]], axis=1), axis=1)
        return groups.order[groups.starts[chosen][:, None] + picks].reshape(-1)


class PairSampler:
    """Pairs in rows (2i, 2i + 1): those with even i show one individual, those with odd i two."""

    def __init__(self, labels: np.ndarray, batch_size: int, seed: int):
        """Args:
          labels: int (N,), the individual of each photo that may be drawn.
          batch_size: rows, a multiple of 4: two for a pair, as many pairs of either kind.
          seed: not negative.

        Raises:
          UserError: the batch size cannot be halved so, or one of the two kinds does not exist.
        """
        self._groups = _Groups(np.asarray(labels))
        self._seed = seed
        self.batch_size = batch_size
        if batch_size < 4 or batch_size % 4:
            raise UserError(
                f"A batch of {batch_size} photos cannot hold as many matching as differing pairs: "
                f"set batch_size to a multiple of 4, such as {max(4, round(batch_size / 4) * 4)}."
            )
        if len(self._groups) < 2:
            raise UserError(
                "Pairs of different individuals need at least two individuals in the training "
                f"photos, there are {len(self._groups)}."
            )
        if self._groups.sizes.max() < 2:
            raise UserError(
                "No individual has two training photos, so there are no matching pairs: "
                "add photos of the same individuals."
            )
        group_of = np.repeat(np.arange(len(self._groups)), self._groups.sizes)
        self._group_of = group_of
        self._with_match = np.flatnonzero(self._groups.sizes[group_of] > 1)

    def __call__(self, step: int) -> np.ndarray:
        """int64 (batch_size,): indices into `labels`."""
        groups, count = self._groups, self.batch_size // 4
        generator, total = _generator(self._seed, _STEP, step), len(groups.order)
        first = np.stack(
            [generator.choice(self._with_match, count), generator.integers(total, size=count)], 1
        )
        group = self._group_of[first]
        starts, sizes = groups.starts[group], groups.sizes[group]
        # Counted on from the first photo, modulo the individual's photos: any of its others.
        match = starts + (first - starts + 1 + generator.integers(np.maximum(sizes - 1, 1))) % sizes
        # Counted on from the end of the individual's photos, modulo all: any of the others'.
        other = (starts + sizes + generator.integers(total - sizes)) % total
        second = np.stack([match[:, 0], other[:, 1]], 1)
        return groups.order[np.stack([first, second], 2).reshape(-1)]


class UniformSampler:
    """Photos in random order, each once an epoch; the last batch is filled up with some of them."""

    def __init__(self, num_examples: int, batch_size: int, seed: int):
        """Raises `UserError` when a batch asks for more photos than there are."""
        if not 1 <= batch_size <= num_examples:
            raise UserError(
                f"A batch asks for {batch_size} photos, there are {num_examples} to train on: set "
                f"batch_size between 1 and {num_examples}."
            )
        self._num_examples, self._seed = num_examples, seed
        self.batch_size = batch_size

    def __call__(self, step: int) -> np.ndarray:
        """int64 (batch_size,): indices below `num_examples`."""
        return _from_pass(self._seed, step, self._num_examples, self.batch_size).astype(np.int64)
