"""What the measures are called, and what they mean in plain words."""

MEASURES: dict[str, tuple[str, str]] = {
    "rank1": (
        "Rank-1",
        "The share of photos whose single best match is the right individual. If you look at one "
        "suggestion only, this is how often it is right.",
    ),
    "rank1_other_day": (
        "Rank-1, another day",
        "Rank-1 when the individual's photos of the same day do not count: photos of one encounter "
        "look alike whoever it is, so this is the honest number where days are mixed.",
    ),
    "mAP_other_day": ("mAP, another day", "mAP when photos of the same day do not count."),
    "rank1_without_copies": (
        "Rank-1, without copies",
        "Rank-1 when an exact copy of the photo, under another name, does not count.",
    ),
    "mAP_without_copies": (
        "mAP, without copies",
        "mAP when an exact copy of the photo, under another name, does not count.",
    ),
    "rank1_without_trained": (
        "Rank-1, not trained on",
        "Rank-1 of the photos that the network was not trained on: the honest number where some "
        "were.",
    ),
    "mAP_without_trained": (
        "mAP, not trained on",
        "mAP of the photos that the network was not trained on.",
    ),
    "rank1_reranked": (
        "Rank-1, re-ranked",
        "Rank-1 after ranking anew by neighbours that name each other (k-reciprocal re-ranking).",
    ),
    "mAP_reranked": ("mAP, re-ranked", "mAP after ranking anew by mutual neighbours."),
    "rank5": ("Rank-5", "The right individual is among the first five suggestions."),
    "rank10": ("Rank-10", "The right individual is among the first ten suggestions."),
    "mAP": (
        "mAP",
        "Mean average precision: 1 when all photos of the individual come before all others, less "
        "for every stranger in between.",
    ),
    "mINP": (
        "mINP",
        "How clean the list is up to the individual's hardest photo: low when finding all of its "
        "photos means looking through many strangers.",
    ),
    "map_at_r": (
        "MAP@R",
        "As mAP, but looking only as far down the list as the individual has photos: stricter.",
    ),
    "r_precision": (
        "R-precision",
        "Of as many suggestions as the individual has photos, the share that is right.",
    ),
    "roc_auc": (
        "Pair AUC",
        "Take a photo that was looked up with one of its individual (of another day, where there "
        "are dates), and with one of another individual: how often the first two look more alike. "
        "0.5 is guessing.",
    ),
    "eer": (
        "Equal error rate",
        "At the threshold where missing a same pair and accepting a different one are equally "
        "frequent, how frequent they are. Lower is better.",
    ),
    "tar@far=0.01": (
        "Found at 1% false",
        "The share of same pairs recognised when one in a hundred different pairs may pass.",
    ),
    "tar@far=0.001": (
        "Found at 0.1% false",
        "The share of same pairs recognised when one in a thousand different pairs may pass.",
    ),
    "one_shot_20way": (
        "20-way one-shot",
        "Shown one drawing each of twenty characters, the share of new drawings matched to the "
        "right one. Guessing gives 0.05.",
    ),
}
TABLE = ("rank1", "rank5", "rank10", "mAP", "map_at_r", "roc_auc")
"""The columns of the table that everyone reads."""
