"""What the measures of individuals are called, and what they mean in plain words."""

from reid_jax.reporting.measure import Measure, Measures, by_key
from reid_jax.reporting.words import WORDS as COMMON

PAGE, CONSOLE, COMPARED, README = "page", "console", "compared", "readme"
VALIDATION = "validation"
"""Tables that measures have columns in; the last is what a training logs."""
_EVERYWHERE = (PAGE, CONSOLE, COMPARED, README, VALIDATION)
_APART = {
    "other_day": (
        "another day",
        "when the individual's photos of the same day do not count: photos of one encounter look "
        "alike whoever it is, so this is the honest number where days are mixed.",
    ),
    "without_copies": (
        "without copies",
        "when an exact copy of the photo, under another name, does not count.",
    ),
    "without_trained": (
        "not trained on",
        "of the photos that the network was not trained on: the honest number where some were.",
    ),
    "within_side": (
        "same side",
        "when a photo is searched for among photos of its own side alone, of those whose side is "
        "known: the left and the right flank of an animal are different patterns.",
    ),
    "across_sides": (
        "other sides",
        "when a photo is searched for among photos of other sides alone: what can be told where "
        "only another side of the individual is known.",
    ),
    "reranked": (
        "re-ranked",
        "after ranking anew by neighbours that name each other (k-reciprocal re-ranking).",
    ),
}

MEASURES: Measures = by_key(
    Measure(
        "rank1",
        "Rank-1",
        "The share of photos whose single best match is the right individual. If you look at one "
        "suggestion only, this is how often it is right.",
        tables=_EVERYWHERE,
    ),
    Measure(
        "rank5",
        "Rank-5",
        "The right individual is among the first five suggestions.",
        tables=_EVERYWHERE,
    ),
    Measure(
        "rank10",
        "Rank-10",
        "The right individual is among the first ten suggestions.",
        tables=(PAGE, CONSOLE),
    ),
    Measure(
        "mAP",
        "mAP",
        "Mean average precision: 1 when all photos of the individual come before all others, less "
        "for every stranger in between.",
        tables=_EVERYWHERE,
    ),
    Measure(
        "map_at_r",
        "MAP@R",
        "As mAP, but looking only as far down the list as the individual has photos: stricter.",
        tables=_EVERYWHERE,
    ),
    Measure(
        "roc_auc",
        "Pair AUC",
        "Take a photo that was looked up with one of its individual (of another day, where there "
        "are dates), and with one of another individual: how often the first two look more alike. "
        "0.5 is guessing.",
        tables=(PAGE, CONSOLE, COMPARED, README),
    ),
    Measure(
        "one_shot_20way",
        "20-way one-shot",
        "Shown one drawing each of twenty characters, the share of new drawings matched to the "
        "right one. Guessing gives 0.05.",
        tables=(PAGE, CONSOLE, README),
    ),
    *(
        Measure(
            f"{key}_{apart}",
            f"{name}, {words}",
            f"{name} {meaning}",
            tables=(PAGE, CONSOLE) if "side" in apart else (CONSOLE,),
        )
        for apart, (words, meaning) in _APART.items()
        for key, name in (("rank1", "Rank-1"), ("mAP", "mAP"))
    ),
    Measure(
        "mINP",
        "mINP",
        "How clean the list is up to the individual's hardest photo: low when finding all of its "
        "photos means looking through many strangers.",
    ),
    Measure(
        "r_precision",
        "R-precision",
        "Of as many suggestions as the individual has photos, the share that is right.",
    ),
    Measure(
        "average_precision",
        "Pair AP",
        "Pairs of photos sorted by how alike they look, same ones before different ones: 1 is "
        "perfect, guessing gives the share of same pairs.",
        tables=(COMPARED,),
    ),
    Measure(
        "eer",
        "Equal error rate",
        "At the threshold where missing a same pair and accepting a different one are equally "
        "frequent, how frequent they are.",
        short="EER",
        better="lower",
        tables=(COMPARED,),
    ),
    Measure(
        "tar@far=0.01",
        "Found at 1% false",
        "The share of same pairs recognised when one in a hundred different pairs may pass.",
    ),
    Measure(
        "tar@far=0.001",
        "Found at 0.1% false",
        "The share of same pairs recognised when one in a thousand different pairs may pass.",
    ),
)
OPEN_SET: Measures = by_key(
    Measure(
        "auroc",
        "AUROC",
        "Of a photo of an individual that the gallery has and one of a stranger, how often the "
        "first finds the more similar match. 0.5 is guessing.",
        tables=(CONSOLE, README),
    ),
    Measure(
        "oscr",
        "OSCR",
        "The share of known photos given their own name, averaged over all thresholds by the share "
        "of strangers that are given any (open-set classification rate).",
        tables=(CONSOLE, README),
    ),
    Measure(
        "dir@far=0.01",
        "Found at 1% false alarms",
        "The share of known photos given their own name where 1% of the strangers are given one.",
        short="DIR@1%",
        tables=(CONSOLE,),
    ),
    Measure(
        "dir@far=0.1",
        "Found at 10% false alarms",
        "The share of known photos given their own name where 10% of the strangers are given one.",
        short="DIR@10%",
        tables=(CONSOLE, README),
    ),
    Measure(
        "baks",
        "BAKS",
        "Balanced accuracy on known samples: of each known individual's photos the share given its "
        "own name, averaged over individuals.",
        tables=(CONSOLE, README),
    ),
    Measure(
        "baus",
        "BAUS",
        "Balanced accuracy on unknown samples: of each stranger's photos the share called unknown, "
        "averaged over strangers.",
        tables=(CONSOLE, README),
    ),
    Measure(
        "geometric_mean",
        "Geometric mean",
        "Of BAKS and BAUS: low as soon as one of them is.",
        short="mean",
        tables=(CONSOLE, README),
    ),
    Measure(
        "closed_rank1",
        "Rank-1, known alone",
        "Rank-1 of the known photos, when nobody may be called unknown.",
        short="Rank-1",
        tables=(CONSOLE,),
    ),
)
"""How well known individuals are named and strangers turned away."""
SPLITS = {
    "identity": "Split by individual: whole individuals were held out, and the network was trained "
    "on none of them. Photos of one encounter, where there are such, still flatter.",
    "date": "Split by date: later days were held out, of individuals that the network was trained "
    "on by earlier days.",
    "open": "Split by date with strangers: later days were held out, and some individuals as a "
    "whole, which the network was trained on no photo of.",
    "photo": "Random split by photo: photos of one encounter, which are nearly the same, are on "
    "both sides, so these numbers flatter. A split by date or by individual is the one to go by.",
    "given": "The source's own split: the numbers mean what its author meant.",
}
"""What numbers on a split of `data.split` say, and what they flatter."""
TUNED, FROZEN, MIXTURE = "fine-tuned network", "frozen network", "mixture"
"""Rows of a run that began with published weights and compared what it may give."""
WORDS = {
    **COMMON,
    FROZEN: "The published network as training began with it, trained on other pictures alone; "
    "the run's views and whitening come after it, which frozen features do without.",
    TUNED: "The published network after training on the run's photos, as the last step left it.",
    MIXTURE: "A network whose parameters lie between those of the frozen network and of the "
    "fine-tuned one, half way at 50%.",
    "balanced accuracy": "The share of right answers for each individual, averaged over "
    "individuals: those with many photos do not outweigh the others.",
    "stranger": "An individual that is in no photo of the gallery, also called unknown; one that "
    "the gallery has photos of is known.",
}
