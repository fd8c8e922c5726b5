"""Are two photos the same individual? Measures of a score that should be high when they are.

The measures work on 1-D arrays of scores and are NumPy in float64 on the host: a sort and a few
sums are over before a device would have compiled them. The scores themselves come from the device
(:func:`pair_scores`). "Accepted" always means ``score >= threshold``, and pairs with the same score
are accepted together, so that no measure depends on the order of the pairs.
"""

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.errors import UserError

_BLOCK = 65_536  # pairs scored at a time


def roc_curve(scores: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False accept rate, true accept rate and threshold of every distinct score, falling.

    Args:
      scores: ``(N,)``, larger means more alike.
      same: ``(N,)`` bool, both kinds present (else the rates of the missing kind are nan).

    Returns:
      Three ``(T + 1,)`` float64 arrays; the first point accepts nothing (threshold infinity).
    """
    accepted, true, thresholds = _accepted(scores, same)
    negatives = len(same) - int(np.sum(same))
    with np.errstate(invalid="ignore", divide="ignore"):
        far = np.concatenate([[0], accepted - true]) / np.float64(negatives)
        tar = np.concatenate([[0], true]) / np.float64(np.sum(same))
    return far, tar, np.concatenate([[np.inf], thresholds])


def roc_auc(scores: np.ndarray, same: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a same pair outscores a different one, ties half.

    As scikit-learn's ``roc_auc_score``; nan when one kind is missing.
    """
    far, tar, _ = roc_curve(scores, same)
    return float(np.trapezoid(tar, far))


def average_precision(scores: np.ndarray, same: np.ndarray) -> float:
    """``sum_n (R_n - R_{n-1}) P_n`` over the distinct thresholds, as scikit-learn defines it.

    Unlike the ROC it depends on how many of the pairs are different ones. nan without same pairs.
    """
    accepted, true, _ = _accepted(scores, same)
    if not np.any(same):
        return float("nan")
    return float(np.sum(np.diff(true, prepend=0) / true[-1] * (true / accepted)))


def equal_error_rate(scores: np.ndarray, same: np.ndarray) -> float:
    """Where the ROC curve (straight between its points) has as many false accepts as rejects."""
    far, tar, _ = roc_curve(scores, same)
    gap = far - (1 - tar)  # rises from -1 to 1
    if np.isnan(gap).any():
        return float("nan")
    right = int(np.argmax(gap >= 0))
    share = -gap[right - 1] / (gap[right] - gap[right - 1])
    return float(far[right - 1] + share * (far[right] - far[right - 1]))


def tar_at_far(scores: np.ndarray, same: np.ndarray, far: float) -> tuple[float, float]:
    """The largest true accept rate whose false accept rate is at most ``far``; and its threshold.

    No interpolation: it is a rate that a threshold really gives. With fewer than ``1 / far``
    different pairs it is the rate without a single false accept.
    """
    fars, tars, thresholds = roc_curve(scores, same)
    if np.isnan(fars).any() or np.isnan(tars).any():
        return float("nan"), float("nan")
    last = int(np.searchsorted(fars, far, side="right")) - 1
    return float(tars[last]), float(thresholds[last])


def best_f1(scores: np.ndarray, same: np.ndarray) -> tuple[float, float]:
    """The largest F1 over all thresholds, and the (highest) threshold that gives it."""
    accepted, true, thresholds = _accepted(scores, same)
    f1 = 2 * true / (accepted + np.sum(same))
    best = int(np.argmax(f1))
    return float(f1[best]), float(thresholds[best])


def confusion_matrix(scores: np.ndarray, same: np.ndarray, threshold: float) -> np.ndarray:
    """``[[true rejects, false accepts], [false rejects, true accepts]]``, int64 ``(2, 2)``."""
    accept, same = np.asarray(scores) >= threshold, np.asarray(same, bool)
    return np.bincount(2 * same + accept, minlength=4).reshape(2, 2)


def bootstrap_mean(
    values: np.ndarray,
    clusters: np.ndarray | None = None,
    *,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean (Efron and Tibshirani 1993, ch. 13).

    For the difference of two methods on the same queries, pass the differences: they are then
    resampled in pairs.

    Args:
      values: ``(N,)``; nan is left out.
      clusters: ``(N,)``: what is drawn as one, such as the individual: photos of one individual are
        alike, and drawing photos would promise too narrow an interval.

    Returns:
      Low and high end; nan without values.
    """
    values = np.asarray(values, np.float64)
    there = ~np.isnan(values)
    if not there.any():
        return float("nan"), float("nan")
    values = values[there]
    groups = np.arange(len(values)) if clusters is None else np.asarray(clusters)[there]
    _, group = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(group, values), np.bincount(group)
    rng = np.random.default_rng(seed)
    means = []
    for size in _chunks(replicates, len(sums)):
        drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=size)
        means.append((drawn @ sums) / (drawn @ sizes))
    return _interval(np.concatenate(means), confidence)


def pair_scores(
    embeddings: np.ndarray,
    labels: np.ndarray,
    max_pairs: int = 100_000,
    seed: int = 0,
    metric: str = "cosine",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of pairs of two different photos.

    All pairs when there are no more than ``max_pairs``. Else a sample: half of it same pairs (or
    all there are), the rest different ones, each drawn uniformly. ROC measures do not mind that
    mixture; average precision and F1 are those of the sample.

    Args:
      embeddings: ``(N, D)`` float.
      labels: ``(N,)`` integers or strings.
      metric: "cosine", or "euclidean": the score is minus the distance.

    Returns:
      ``(P,)`` float32 scores, ``(P,)`` bool same, ``(P, 2)`` int64 which two photos (first <
      second).
    """
    if metric not in ("cosine", "euclidean"):
        raise UserError(f"The metric {metric!r} is unknown: use 'cosine' or 'euclidean'.")
    labels = np.unique(np.asarray(labels), return_inverse=True)[1]
    pairs = _choose_pairs(labels, max_pairs, np.random.default_rng(seed))
    array = jnp.asarray(np.asarray(embeddings, np.float32))
    scores = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), _BLOCK):
        block = pairs[start : start + _BLOCK]
        padded = np.pad(block, ((0, _BLOCK - len(block)), (0, 0))) if len(pairs) > _BLOCK else block
        result = _score_pairs(array, jnp.asarray(padded, jnp.int32), metric == "cosine")
        scores[start : start + _BLOCK] = np.asarray(result)[: len(block)]
    return scores, labels[pairs[:, 0]] == labels[pairs[:, 1]], pairs


@jax.jit
def _score_pairs(embeddings: jax.Array, pairs: jax.Array, cosine: jax.Array | bool) -> jax.Array:
    def score(pair: jax.Array) -> jax.Array:
        a, b = embeddings[pair[0]], embeddings[pair[1]]
        norms = jnp.sqrt(jnp.maximum(jnp.sum(a * a) * jnp.sum(b * b), 1e-30))
        distance = jnp.sqrt(jnp.maximum(jnp.sum((a - b) ** 2), 1e-30))
        return jnp.where(cosine, jnp.sum(a * b) / norms, -distance)

    return jax.lax.map(score, pairs, batch_size=1024)


def _choose_pairs(labels: np.ndarray, max_pairs: int, rng: np.random.Generator) -> np.ndarray:
    number = len(labels)
    if number * (number - 1) // 2 <= max_pairs:
        return np.stack(np.triu_indices(number, 1), axis=1).astype(np.int64)
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    starts, ends = np.cumsum(sizes) - sizes, np.cumsum(sizes * (sizes - 1) // 2)
    wanted = min(max_pairs // 2, int(ends[-1]))
    # Same pairs by their running number: which individual, then which cell of its triangle.
    drawn = np.sort(_distinct(rng, int(ends[-1]), wanted))
    label = np.searchsorted(ends, drawn, side="right")
    cell = drawn - (ends[label] - sizes[label] * (sizes[label] - 1) // 2)
    row = ((1 + np.sqrt(1 + 8.0 * cell)) // 2).astype(np.int64)
    row += (row * (row + 1) // 2 <= cell).astype(np.int64) - (row * (row - 1) // 2 > cell)
    first, second = starts[label] + cell - row * (row - 1) // 2, starts[label] + row
    same = np.stack([order[first], order[second]], axis=1)

    different_there = number * (number - 1) // 2 - int(ends[-1])
    wanted = min(max_pairs - wanted, different_there)
    if different_there <= 2 * wanted or different_there < number * number // 16:
        # Few of all pairs, or most of those that there are: draws at random would seldom be new.
        drawn = np.sort(_distinct(rng, different_there, wanted))
        different = _different_pairs(order, sizes, drawn)
    else:
        different = _drawn_different_pairs(labels, wanted, rng)
    return np.concatenate([np.sort(same, axis=1), different])


def _different_pairs(order: np.ndarray, sizes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Different pairs by their running number: which photo, then which one of a later label."""
    behind = np.repeat(np.cumsum(sizes), sizes)  # where the later labels of each photo begin
    ends = np.cumsum(len(order) - behind)
    first = np.searchsorted(ends, numbers, side="right")
    second = len(order) - (ends[first] - numbers)
    return np.sort(np.stack([order[first], order[second]], axis=1), axis=1)


def _drawn_different_pairs(labels: np.ndarray, wanted: int, rng: np.random.Generator) -> np.ndarray:
    different = np.empty((0, 2), np.int64)
    while len(different) < wanted:
        two = np.sort(rng.integers(0, len(labels), (2 * (wanted - len(different)) + 64, 2)), axis=1)
        two = two[labels[two[:, 0]] != labels[two[:, 1]]]
        different = np.unique(np.concatenate([different, two]), axis=0)
    return different[np.sort(rng.permutation(len(different))[:wanted])]


def _distinct(rng: np.random.Generator, number: int, wanted: int) -> np.ndarray:
    """``wanted`` distinct integers below ``number``, without a permutation of all of them."""
    if wanted * 4 > number:
        return rng.permutation(number)[:wanted]
    drawn = np.empty(0, np.int64)
    while len(drawn) < wanted:
        drawn = np.unique(np.concatenate([drawn, rng.integers(0, number, wanted)]))
    return rng.permutation(drawn)[:wanted]


def _accepted(scores: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accepted pairs, accepted same pairs, and the threshold, at each distinct score, falling."""
    scores, same = np.asarray(scores, np.float64), np.asarray(same, bool)
    if scores.ndim != 1 or scores.shape != same.shape or not len(scores):
        raise UserError(
            f"Scores and labels of pairs have the shapes {scores.shape} and {same.shape}: "
            "they must be one value per pair, with at least one pair."
        )
    order = np.argsort(-scores, kind="stable")
    ends = _ends(scores[order])
    return (ends + 1).astype(np.float64), np.cumsum(same[order])[ends] * 1.0, scores[order][ends]


def _ends(falling: np.ndarray) -> np.ndarray:
    """Where each run of equal values ends."""
    return np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)


def _chunks(replicates: int, width: int) -> list[int]:
    """Replicates split so that a table of them stays below 64 MiB."""
    size = max(1, min(replicates, 2**23 // max(1, width)))
    return [min(size, replicates - start) for start in range(0, replicates, size)]


def _interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
