"""Does a run know whom it does not know?"""

from pathlib import Path

from reid_jax import cli
from reid_jax.evaluation.open_set_run import evaluate_open_set_run


def main(workdir: Path, unknown_fraction: float = 0.2, json: Path | None = None) -> None:
    """Prints how well known individuals are found and unknown ones rejected, beside baselines.

    Args:
        workdir: Folder of the run.
        unknown_fraction: Share of the individuals that are taken out of the gallery, where the
            run's split kept none out of it (--data.split open does).
        json: File for the numbers.
    """
    evaluate_open_set_run(workdir, unknown_fraction=unknown_fraction, json_path=json)


if __name__ == "__main__":
    cli.run(main)
