"""Evaluates a trained run on what it held out, or on other photos."""

from pathlib import Path

from reid_jax import cli
from reid_jax.evaluation.run import evaluate_run


def main(
    workdir: Path, data: str | None = None, rerank: bool = False, json: Path | None = None
) -> None:
    """Prints retrieval metrics beside raw pixels and an untrained net, and writes WORKDIR/report.

    Args:
        workdir: Folder of the run.
        data: Another source (folder:PATH, csv:PATH, ...), all photos leave-one-out; by default what
            the run held out.
        rerank: Also rank anew by k-reciprocal neighbours, and report both.
        json: File for the numbers.
    """
    evaluate_run(workdir, source=data, json_path=json, rerank=rerank)


if __name__ == "__main__":
    cli.run(main)
