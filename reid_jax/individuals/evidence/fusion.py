"""Two scores of a pair of photos, by a network and by local features, as one."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

_FEWEST = 20  # pairs of each kind


@dataclass(frozen=True)
class Logistic:
    """A score -> the probability that both photos show one individual (Platt 1999).

    Attributes:
      slope, intercept: of the log odds.
    """

    slope: float
    intercept: float

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Of the shape of `scores`, float64."""
        return 1 / (1 + np.exp(-(self.slope * np.asarray(scores, np.float64) + self.intercept)))

    @staticmethod
    def fitted(scores: np.ndarray, same: np.ndarray) -> "Logistic":
        """By maximum likelihood; scores that fall where pairs are the same say nothing.

        Args:
          scores: ``(P,)``; same: ``(P,)`` bool, of both kinds.
        """
        from sklearn.linear_model import LogisticRegression

        scores = np.asarray(scores, np.float64)
        centre, spread = scores.mean(), max(float(scores.std()), 1e-12)
        model = LogisticRegression(C=1e3)
        model.fit(((scores - centre) / spread)[:, None], same)
        if (slope := float(model.coef_[0, 0]) / spread) <= 0:
            return Logistic(0.0, 0.0)
        return Logistic(slope, float(model.intercept_[0]) - slope * centre)


@dataclass(frozen=True)
class Fusion:
    """The mean of two probabilities, each calibrated on pairs whose answer is known.

    WildFusion (Cermak et al. 2024, arXiv 2408.12934) takes the mean of calibrated scores.

    Attributes:
      network, local: of the similarity by the network, and of the score by local features.
    """

    network: Logistic
    local: Logistic

    def __call__(self, network: np.ndarray, local: np.ndarray) -> np.ndarray:
        """Scores in [0, 1] of the same shape."""
        return (self.network(network) + self.local(local)) / 2

    @staticmethod
    def fitted(network: np.ndarray, local: np.ndarray, same: np.ndarray) -> "Fusion | None":
        """From pairs of photos, ``(P,)`` each; None where there are too few of a kind."""
        if min(int(same.sum()), int((~same).sum())) < _FEWEST:
            return None
        return Fusion(Logistic.fitted(network, same), Logistic.fitted(local, same))

    def as_json(self) -> dict[str, Any]:
        """What :meth:`of_json` reads."""
        return asdict(self)

    @staticmethod
    def of_json(values: dict[str, Any]) -> "Fusion":
        """What :meth:`as_json` wrote."""
        return Fusion(Logistic(**values["network"]), Logistic(**values["local"]))


def fused_by_ranks(network: np.ndarray, local: np.ndarray) -> np.ndarray:
    """Without pairs whose answer is known: the mean of both ranks in each row, in (0, 1].

    Args:
      network, local: ``(Q, S)``; a higher score ranks higher, equal ones share their mean rank.
    """
    ranks = [rankdata(scores, axis=1) / scores.shape[1] for scores in (network, local)]
    return (ranks[0] + ranks[1]) / 2
