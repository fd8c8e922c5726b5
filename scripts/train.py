"""Trains what a configuration describes: scripts/train.py configs/NAME.py --workdir DIR [options].

The same command again goes on where it stopped. --help after the configuration explains each field.
"""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from reid_jax import cli


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        sys.exit(0 if set(sys.argv) & {"-h", "--help"} else 2)
    cli.use_huge_pages()
    from reid_jax.evaluation.run import train_and_report
    from reid_jax.files import expanded
    from reid_jax.training.config_file import load_config_file

    with cli.plain_errors():
        default = load_config_file(expanded(sys.argv[1]))

    def train(
        workdir: Path,
        config: Annotated[type(default), tyro.conf.arg(name="")] = default,  # type: ignore[valid-type]
    ) -> None:
        """Trains, then writes a report.

        Args:
            workdir: Folder of the run; made when it is not there.
            config: The experiment.
        """
        train_and_report(config, workdir)

    cli.run(train, prog=" ".join(sys.argv[:2]), args=sys.argv[2:])


if __name__ == "__main__":
    main()
