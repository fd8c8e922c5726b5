"""Measures time, memory and compilation beside what one would use instead."""

from pathlib import Path

from tyro.conf import Positional, UseCounterAction

from reid_jax.commands import terminal
from reid_jax.files import check_destinations


def main(suite: Positional[str], peer: UseCounterAction[int] = 0, json: Path | None = None) -> None:
    """Prints medians of repeats on fresh inputs, and ratios (above 1 where ours is better).

    Args:
        suite: What to measure: epoch, evaluation, head, input, keyframes, mining, retrieval,
            search, startup or step.
        peer: Also measure the others.
        json: File for the rows; those of other suites in it stay.
    """
    from scripts.bench import run_suite
    from scripts.bench.report import as_table, keep, others

    check_destinations(json)
    if json is not None:
        others(json, [suite])
    rows = []
    for row in run_suite(suite, peer=bool(peer)):
        rows.append(row)
        if json is not None:  # what is measured stays, should the next one not end
            keep(rows, json)
    print(as_table(rows))


if __name__ == "__main__":
    terminal.use_huge_pages()
    terminal.run(main)
