"""The report of a run that learnt without names: how far it agrees with its teacher."""

from pathlib import Path

from reid_jax.console import say
from reid_jax.data.photos import Dataset
from reid_jax.errors import said_unless_written
from reid_jax.individuals.model import TrainedModel, embed_beside_baselines
from reid_jax.individuals.teaching import open_teachers, said_of
from reid_jax.ops.ranking.neighbours import NEIGHBOURS, neighbour_agreement
from reid_jax.reporting.measure import Measure, Measures, by_key
from reid_jax.reporting.report import write_page
from reid_jax.reporting.table import results_table
from reid_jax.training.logging import read_metrics

MEASURES: Measures = by_key(
    Measure(
        "neighbours",
        "Neighbours",
        f"Of the {NEIGHBOURS} photos that the teacher finds most alike a photo, the share that the "
        f"network finds among its {NEIGHBOURS}, mean over photos.",
    ),
    Measure(
        "nearest",
        "Nearest",
        "The share of photos whose most alike photo is the same for both.",
    ),
    Measure(
        "cosines",
        "Cosines",
        "Correlation of how alike two photos are for the network and for the teacher, over all "
        "pairs of photos.",
        share=False,
    ),
)


def report_agreement(
    model: TrainedModel, photos: Dataset, out: Path | None = None
) -> dict[str, float]:
    """Prints and writes how far a network and its baselines agree with its teacher.

    Args:
      model: of a run with `data.unnamed`.
      photos: that it has not seen.
      out: folder of the report; by default one in the run's folder.

    Returns:
      The measures of the network.

    Raises:
      UserError: the teacher cannot be had any more.
    """
    teacher = model.config.distill.teacher
    taught = said_of(open_teachers(model.config), photos)
    say(f"{len(photos):,} photos of nobody, that were held out, beside {teacher}")
    embeddings = embed_beside_baselines(model, photos)
    results = {name: neighbour_agreement(each, taught) for name, each in embeddings.items()}
    print(results_table(results, MEASURES.values()).as_text())
    folder = out or model.workdir / "report"
    with said_unless_written(folder):
        write_page(
            folder,
            title=model.workdir.name,
            lead=f"How far does the network agree with its teacher on {len(photos):,} photos that "
            "it has not seen?",
            results=results,
            measures=MEASURES,
            history=read_metrics(model.workdir),
            remarks=[
                f"The teacher is {teacher}. Nobody's name was looked at, so that this says nothing "
                "of how well individuals are told apart."
            ],
            validated="photos",
        )
        print(f"report: {folder / 'index.html'}")
    return results["this network"]
