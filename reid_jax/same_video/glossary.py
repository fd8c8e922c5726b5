"""What the measures of scores of pairs are called, and what they mean in plain words."""

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
MEASURES: Measures = by_key(
    Measure(
        "roc_auc",
        "ROC-AUC",
        "Of a pair of clips of one video and a pair of two videos, how often the first scores "
        "higher. 0.5 is guessing.",
        share=False,
        tables=(PAGE, COMPARED),
    ),
    Measure(
        "average_precision",
        "AP",
        "Average precision of the pairs sorted by their scores: 1 when all pairs of one video come "
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
    *(
        Measure(
            kind,
            kind,
            f"{_KINDS[kind]} ROC-AUC of these pairs against all pairs of {others}.",
            tables=(PAGE,),
        )
        for kinds, others in ((POSITIVE, "two videos"), (NEGATIVE, "one video"))
        for kind in kinds
    ),
    Measure("precision", "Precision", "Of the accepted pairs, the share that is of one video."),
    Measure("recall", "Recall", "Of the pairs of one video, the share that is accepted."),
    Measure(
        "accuracy",
        "Accuracy",
        "The share of pairs that are accepted or rejected rightly.",
        tables=(COMPARED,),
    ),
)
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
