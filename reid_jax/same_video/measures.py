"""How well scores of pairs of clips tell pairs of one video from pairs of two."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reid_jax.errors import UserError
from reid_jax.ops.verification import average_precision, best_f1, confusion_matrix, roc_auc


def evaluate_pairs(
    scores: np.ndarray,
    same: np.ndarray,
    kinds: np.ndarray,
    *,
    threshold: float,
    edits: np.ndarray | None = None,
) -> dict[str, Any]:
    """Measures of scores (N,) that should be high where `same` (N,) is True.

    Args:
      kinds: (N,) what kind of pair each is, "" where there are none.
      threshold: a pair is accepted from this score on; chosen on other pairs (`choose_threshold`).
      edits: (N,) how the second clip of a pair was edited, "" where it was not.

    Returns:
      roc_auc, average_precision; f1, precision, recall, accuracy and confusion ([[true rejects,
      false accepts], [false rejects, true accepts]]) at the threshold; kinds, for each kind its
      number of pairs, the share accepted, and roc_auc: of a kind of same pairs against all
      different ones, of a kind of different pairs against all same ones; edits, for each edit of
      same pairs the same.
    """
    scores, same, kinds = np.asarray(scores, np.float64), np.asarray(same, bool), np.asarray(kinds)
    if not np.isfinite(scores).all():
        raise UserError("Some scores of pairs are not finite numbers; train the network again.")
    confusion = confusion_matrix(scores, same, threshold)
    (true_rejects, false_accepts), (false_rejects, true_accepts) = confusion.tolist()
    result = {
        "roc_auc": roc_auc(scores, same),
        "average_precision": average_precision(scores, same),
        "threshold": float(threshold),
        "f1": _share(2 * true_accepts, 2 * true_accepts + false_accepts + false_rejects),
        "precision": _share(true_accepts, true_accepts + false_accepts),
        "recall": _share(true_accepts, true_accepts + false_rejects),
        "accuracy": _share(true_accepts + true_rejects, len(same)),
        "confusion": confusion.tolist(),
        "kinds": {},
    }

    def part(chosen: np.ndarray) -> dict[str, Any]:
        against = same != same[chosen][0]
        both = chosen | against
        return {
            "pairs": int(chosen.sum()),
            "accepted": float(np.mean(scores[chosen] >= threshold)),
            "roc_auc": roc_auc(scores[both], same[both]),
        }

    for kind in filter(None, dict.fromkeys(kinds.tolist())):
        result["kinds"][kind] = part(kinds == kind)
    if edits is not None:
        named = sorted(set(np.asarray(edits)[same].tolist()) - {""})
        result["edits"] = {name: part(same & (edits == name)) for name in named}
    return result


def choose_threshold(scores: np.ndarray, same: np.ndarray, kinds: np.ndarray) -> float:
    """The threshold with the best F1 on these pairs (N,), which must not be those of a report.

    It has to accept edited copies and other parts of a video, and nothing of another one. Clips of
    one shot are left out: they are so alike that they say nothing of where it should lie.
    """
    asked = np.asarray(kinds) != "same shot"
    return best_f1(np.asarray(scores)[asked], np.asarray(same)[asked])[1]


def rank_normalized(scores: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Where scores (N,) rank among those of other pairs (M,): 0 below all of them, 1 above.

    Equal scores share their middle, as mid-ranks do. A monotone change of both changes nothing, so
    that scores of unlike scales can be averaged.
    """
    ordered = np.sort(np.asarray(reference, np.float64))
    scores = np.asarray(scores, np.float64)
    below = np.searchsorted(ordered, scores, side="left")
    up_to = np.searchsorted(ordered, scores, side="right")
    return (below + up_to) / (2 * len(ordered))


def auc_components(scores: np.ndarray, same: np.ndarray) -> np.ndarray:
    """(N,) what each pair adds to ROC-AUC, which is their mean over all, over same, over different.

    Of a pair of one video the share of pairs of two that score lower; of a pair of two videos the
    share of pairs of one that score higher; equal scores count half (DeLong et al. 1988,
    "Comparing the areas under two or more correlated ROC curves", equations 3 and 4).
    """
    scores, same = np.asarray(scores, np.float64), np.asarray(same, bool)
    found = np.empty(len(scores))
    found[same] = rank_normalized(scores[same], scores[~same])
    found[~same] = 1 - rank_normalized(scores[~same], scores[same])
    return found


def ensemble(
    scores: Sequence[np.ndarray], references: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of rank-normalised scores of several networks or measures.

    Args:
      scores: for each member, of the same pairs (N,).
      references: for each member, of the same other pairs (M,), which say what is high.

    Returns:
      The ensemble's scores (N,) and those of the reference pairs (M,).
    """

    def mean(of: Sequence[np.ndarray]) -> np.ndarray:
        normalised = [rank_normalized(s, r) for s, r in zip(of, references, strict=True)]
        return np.mean(normalised, axis=0)

    return mean(scores), mean(references)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
