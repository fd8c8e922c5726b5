"""What the measures of keyframe scores are called, and what they mean in plain words."""

from reid_jax.reporting.measure import OURS, Measure, Measures, by_key
from reid_jax.reporting.words import WORDS as COMMON

PAGE, README, CORRELATION, COMPARED = "page", "readme", "correlation", "compared"
"""Tables that measures have columns in; the last two are of which videos are left out, and which
differences between runs are looked at."""
_SHOWN = (PAGE, README)

MEASURES: Measures = by_key(
    Measure(
        "kendall_users",
        "Kendall, annotators",
        "Of two frames that an annotator rated differently, how much more often the scores put "
        "them in the annotator's order than in the other (tau-b): 1 is always, 0 is guessing. "
        "Averaged over annotators, then videos.",
        short="Kendall",
        share=False,
        tables=(*_SHOWN, CORRELATION, COMPARED),
    ),
    Measure(
        "spearman_users",
        "Spearman, annotators",
        "The correlation of the ranks of the scores and of an annotator's ratings (rho): 1 is the "
        "same order, 0 is guessing. Averaged over annotators, then videos.",
        short="Spearman",
        share=False,
        tables=(*_SHOWN, CORRELATION, COMPARED),
    ),
    Measure(
        "kendall_mean",
        "Kendall, mean rating",
        "Kendall's tau-b against the mean rating of all annotators. Not to be compared with the "
        "first: people differ, and their mean is easier to agree with.",
        short="K. mean",
        share=False,
        tables=(*_SHOWN, CORRELATION),
    ),
    Measure(
        "spearman_mean",
        "Spearman, mean rating",
        "Spearman's rho against the mean rating of all annotators. Another, easier number.",
        short="S. mean",
        share=False,
        tables=(*_SHOWN, CORRELATION),
    ),
    Measure(
        "precision_at_15",
        "P@15%",
        "Of the 15% of frames with the best scores, the share that is among the best 15% by mean "
        "rating. Videos without a best 15%, as too many frames are rated alike, are left out.",
        tables=_SHOWN,
    ),
    Measure(
        "f1_2s_mean",
        "F1, two-second shots",
        "How far the best summary of 15% of the length, made of two-second shots, covers the one "
        "that an annotator's ratings give. Averaged over annotators.",
        short="F1 2s",
        tables=_SHOWN,
    ),
    Measure(
        "f1_kts_mean",
        "F1, KTS",
        "F1 with the segments of kernel temporal segmentation in place of two-second shots. It "
        "barely tells random scores from people: the lengths of the segments decide.",
        short="F1 KTS",
        tables=_SHOWN,
    ),
    Measure(
        "mse",
        "Squared error",
        "Mean squared difference of score and mean rating, both from 0 to 1; it says little about "
        "the order.",
        short="MSE",
        better="lower",
        share=False,
        tables=(PAGE,),
    ),
    Measure(
        "f1_2s_max",
        "F1, two-second shots, best annotator",
        "F1 of two-second shots against the annotator who agrees most.",
        short="2s max",
    ),
    Measure(
        "f1_kts_max",
        "F1, KTS, best annotator",
        "F1 of KTS segments against the annotator who agrees most.",
        short="KTS max",
    ),
    Measure(
        "mae",
        "Absolute error",
        "Mean absolute difference of score and mean rating.",
        short="MAE",
        better="lower",
        share=False,
    ),
)
LEGEND = (
    "Kendall, Spearman: tau-b and rho against each annotator, averaged. K. mean, S. mean: against "
    "their mean,\nanother and easier number. F1 of 15% summaries of two-second shots or of KTS "
    "segments."
)
WORDS = {
    **{name: COMMON[name] for name in (OURS, "95% interval")},
    "random": "Scores drawn at random.",
    "centre of the video": "Scores that fall from 1 in the middle of the video to 0 at its ends.",
    "ridge regression": "A linear regression of the mean rating on the frames' features, fitted to "
    "the videos that the network could learn from.",
    "one annotator": "Each annotator in turn in place of the network, judged by the others.",
    "all annotators (ceiling)": "The mean rating of all annotators as scores: what nobody can "
    "exceed by much.",
}
