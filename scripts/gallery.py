"""Keeps embeddings of known individuals, and says who is on new photos."""

from collections.abc import Callable

from reid_jax import cli
from reid_jax.gallery import commands

COMMANDS: dict[str, Callable[..., None]] = {
    "build": commands.build,
    "add": commands.add,
    "remove": commands.remove,
    "info": commands.info,
    "identify": commands.identify_photos,
    "duplicates": commands.duplicates,
}

if __name__ == "__main__":
    cli.run(COMMANDS, description=__doc__)
