"""Evaluates a trained run on what it held out, or on other photos or videos."""

from pathlib import Path

from reid_jax import cli
from reid_jax.evaluation.run import evaluate_run


def main(
    workdir: Path,
    data: str | None = None,
    photos: str | None = None,
    rerank: bool = False,
    json: Path | None = None,
) -> None:
    """Prints metrics beside those of baselines, and writes WORKDIR/report.

    Args:
        workdir: Folder of the run.
        data: Another source (folder:PATH, csv:PATH, ...), all photos leave-one-out, or for a
            keyframe run another H5 file, all videos; by default what the run held out.
        photos: Where the photos of the run are now, should they have moved (folder:PATH, ...); they
            are found by their content, and the run remembers it.
        rerank: Also rank anew by k-reciprocal neighbours, and report both.
        json: File for the numbers.
    """
    evaluate_run(workdir, source=data, json_path=json, rerank=rerank, photos=photos)


if __name__ == "__main__":
    cli.run(main)
