"""What the measures of scores of pairs are called, and what they mean in plain words."""

from dataclasses import dataclass

from reid_jax.reporting.measure import OURS, Measure, Measures, by_key
from reid_jax.reporting.words import WORDS as COMMON
from reid_jax.same_video.pairs import NEGATIVE, POSITIVE

PAGE, COMPARED = "page", "compared"
"""Tables that measures have columns in; the last is of those whose differences between runs are
looked at."""
_KINDS = {
    "same shot": "Two parts of one shot that do not overlap.",
    "same video": "Two parts of one video, of different shots where it has several.",
    "near-duplicate": "A part of a video and an edited copy of it.",
    "same category": "Parts of two videos of one category, or of the most alike ones.",
    "other video": "Parts of two videos of different categories.",
}


@dataclass(frozen=True)
class Wording:
    """What the pairs are called that were scored.

    Attributes:
      same, different: what pairs are that should score high, and what the others are.
      rows: the same in short, the others first; and what the two words are of.
      measures: explained in these words.
    """

    same: str
    different: str
    rows: tuple[str, str, str]
    measures: Measures

    @property
    def roc_axes(self) -> tuple[str, str]:
        """Title and axis of a ROC curve."""
        return f"Pairs {self.same} recognised (ROC)", f"pairs {self.different} accepted"


def _measures(same: str, different: str, kinds: tuple[Measure, ...] = ()) -> Measures:
    return by_key(
        Measure(
            "roc_auc",
            "ROC-AUC",
            f"Of a pair {same} and a pair {different}, how often the first scores higher. 0.5 is "
            "guessing.",
            share=False,
            tables=(PAGE, COMPARED),
        ),
        Measure(
            "average_precision",
            "AP",
            f"Average precision of the pairs sorted by their scores: 1 when all pairs {same} come "
            "before all others.",
            share=False,
            tables=(PAGE,),
        ),
        Measure(
            "f1",
            "F1",
            "The harmonic mean of precision and recall at a threshold that other pairs chose.",
            tables=(PAGE,),
        ),
        *kinds,
        Measure("precision", "Precision", f"Of the accepted pairs, the share that is {same}."),
        Measure("recall", "Recall", f"Of the pairs {same}, the share that is accepted."),
        Measure(
            "accuracy",
            "Accuracy",
            "The share of pairs that are accepted or rejected rightly.",
            tables=(COMPARED,),
        ),
    )


_OF_ONE, _OF_TWO = "of one video", "of two videos"
MEASURES = _measures(
    _OF_ONE,
    _OF_TWO,
    tuple(
        Measure(
            kind,
            kind,
            f"{_KINDS[kind]} ROC-AUC of these pairs against all pairs {others}.",
            tables=(PAGE,),
        )
        for kinds, others in ((POSITIVE, _OF_TWO), (NEGATIVE, _OF_ONE))
        for kind in kinds
    ),
)
DRAWN = Wording(_OF_ONE, _OF_TWO, ("two", "one", "videos of the pair"), MEASURES)
"""Of pairs that are drawn from videos."""


def of_labels(question: str) -> Wording:
    """Of pairs that a person has labelled; `question` is what the label 1 says."""
    same, different = f"labelled 1 ({question})", "labelled 0"
    rows = "0", "1", "label of the pair"
    return Wording(same, different, rows, _measures(same, different))


WORDS = {
    OURS: COMMON[OURS],
    "whitened": COMMON["whitening"],
    "features": "The frozen features of frames as they are in the file, without a network.",
    "centred": "Features minus the mean over the frames of training videos.",
    "cosine of means": "Each clip is the mean of its frames' features; the score is the cosine of "
    "the angle between two.",
    "Euclidean of means": "As cosine of means, by the distance between the two means.",
    "Chamfer": "Each frame of one clip is compared with its most similar one of the other; the "
    "score is the mean, taken both ways.",
    "ensemble": "The mean of several scores, each by its rank among pairs of other videos.",
}
