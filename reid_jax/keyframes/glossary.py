"""What the measures of keyframe scores are called, and what they mean in plain words."""

MEASURES: dict[str, tuple[str, str]] = {
    "kendall_users": (
        "Kendall, annotators",
        "Of two frames that an annotator rated differently, how much more often the scores put "
        "them in the annotator's order than in the other (tau-b): 1 is always, 0 is guessing. "
        "Averaged over annotators, then videos.",
    ),
    "spearman_users": (
        "Spearman, annotators",
        "The correlation of the ranks of the scores and of an annotator's ratings (rho): 1 is the "
        "same order, 0 is guessing. Averaged over annotators, then videos.",
    ),
    "kendall_mean": (
        "Kendall, mean",
        "The same against the mean rating of all annotators. Not to be compared with the first: "
        "people differ, and their mean is easier to agree with.",
    ),
    "spearman_mean": (
        "Spearman, mean",
        "The same against the mean rating of all annotators. Another, easier number.",
    ),
    "precision_at_15": (
        "P@15%",
        "Of the 15% of frames with the best scores, the share that is among the best 15% by mean "
        "rating. Videos without a best 15%, as too many frames are rated alike, are left out.",
    ),
    "f1_2s_mean": (
        "F1, 2 s",
        "How far the best summary of 15% of the length, made of two-second shots, covers the one "
        "that an annotator's ratings give. Averaged over annotators.",
    ),
    "f1_kts_mean": (
        "F1, KTS",
        "The same with the segments of kernel temporal segmentation. It barely tells random scores "
        "from people: the lengths of the segments decide.",
    ),
    "mse": (
        "Squared error",
        "Mean squared difference of score and mean rating, both from 0 to 1. Lower is better; it "
        "says little about the order.",
    ),
    "f1_2s_max": ("F1, 2 s, best annotator", "Against the annotator who agrees most."),
    "f1_kts_max": ("F1, KTS, best annotator", "Against the annotator who agrees most."),
    "mae": ("Absolute error", "Mean absolute difference of score and mean rating."),
}
TABLE = tuple(MEASURES)[:8]
"""The columns of the table that everyone reads."""
SHORT = {
    "kendall_users": "Kendall",
    "spearman_users": "Spearman",
    "kendall_mean": "K. mean",
    "spearman_mean": "S. mean",
    "precision_at_15": "P@15%",
    "f1_2s_mean": "F1 2s",
    "f1_2s_max": "2s max",
    "f1_kts_mean": "F1 KTS",
    "f1_kts_max": "KTS max",
    "mse": "MSE",
    "mae": "MAE",
}
"""Heads of the columns of a table of text."""
LEGEND = (
    "Kendall, Spearman: tau-b and rho against each annotator, averaged. K. mean, S. mean: against "
    "their mean,\nanother and easier number. F1 of 15% summaries of two-second shots or of KTS "
    "segments."
)
