"""Answers about photos whose individual is known, kept for what says how sure they are."""

from typing import Any

import numpy as np

from reid_jax.individuals.calibration import Asked, calibrate

_FEWEST = 10  # answers of each kind for a calibration by half of the individuals
_DIGITS = 6
NAMED_BY = 16  # digits of the digest that says which photo it is


def judged(asked: Asked, digests: np.ndarray, strangers: float) -> dict[str, Any]:
    """What settings keep of answers, see
    :class:`reid_jax.individuals.gallery.reports.sureness.Judged`.

    Each is judged by a calibration on the other half of the individuals (cross-fitting), so that
    what is said of probabilities is said of photos that they were not fitted on.

    Args:
      asked: answers by one rule.
      digests: ``(N,)`` contents of what was asked about, "" for what is in no gallery.
      strangers: the share of strangers that is assumed.

    Raises:
      UserError: there is too little to calibrate with.
    """
    _, one = np.unique(asked.individuals, return_inverse=True)
    half = np.random.default_rng(3).permutation(one.max() + 1)[one] % 2
    rows = [np.flatnonzero(half == each) for each in (0, 1)]
    probability = np.zeros(asked.scores.shape)
    apart = all(
        min(int(asked.known[some].sum()), int((~asked.known[some]).sum())) >= _FEWEST
        for some in rows
    )
    pairs = zip(rows, rows[::-1], strict=True) if apart else [(np.arange(len(one)),) * 2]
    for some, others in pairs:
        fitted = calibrate(asked.take(others), individuals=asked.among, strangers=strangers)
        probability[some] = fitted.choice(asked.scores[some])
    return {
        "photos": [str(each)[:NAMED_BY] for each in digests[asked.photos]],
        "first": np.round(probability[:, 0], _DIGITS).tolist(),
        "nobody": np.round(1 - probability.sum(axis=1), _DIGITS).tolist(),
        "right": asked.right[:, 0].astype(int).tolist(),
        "known": asked.known.astype(int).tolist(),
        "individuals": one.tolist(),
        "apart": apart,
    }
