"""Where `reid-jax` begins: which command is meant, help, version, completion."""

import difflib
import sys
from collections.abc import Sequence

from reid_jax.commands.catalogue import GROUPS, WHO, Command, all_commands
from reid_jax.commands.terminal import UsageError, plain_errors, run_command
from reid_jax.console import be_quiet

_ABOUT = "Who is this individual? Which frames matter? Are these clips of one video?"
_OPTIONS = {
    "--quiet, --verbose": "-q: results and errors alone; -v: where they arose, too",
    "--no-cache": "embeddings are computed, none kept or looked up",
    "--version": "of this program, of JAX, and the device",
    "completion SHELL": "a script that completes commands in bash, zsh or fish",
}


def main(*before: str) -> None:
    """Runs the command that the arguments name, after the words of a door such as `embed`.

    Exit codes: 0, 1 for what cannot be done, 2 for words that mean nothing, 130 when interrupted.
    """
    words = [*before, *sys.argv[1:]]
    verbose = _taken(words, "-v", "--verbose")
    be_quiet(_taken(words, "-q", "--quiet"))
    if _taken(words, "--no-cache"):
        from reid_jax.data.cache import switch_off

        switch_off()
    if words[:1] in (["help"], ["--help"], ["-h"]) and len(words) > 1:
        words = [*words[1:], "--help"]
    with plain_errors(verbose=verbose):
        if not words or words[0] in ("help", "-h", "--help"):
            print(help_text())
            sys.exit(0 if words else 2)
        elif words[0] == "--version":
            print(_version())
        elif words[0] == "completion":
            from reid_jax.commands.completion import completion, usage

            asked = words[1:2] in (["-h"], ["--help"])
            print(usage() if asked or not words[1:] else completion(words[1]))
            sys.exit(0 if words[1:] else 2)
        else:
            run_command(*find(words))


def _taken(words: list[str], *flags: str) -> bool:
    """Takes flags out of words, and says whether one was there."""
    there = [word for word in words if word in flags]
    words[:] = [word for word in words if word not in flags]
    return bool(there)


def find(words: Sequence[str]) -> tuple[Command, list[str]]:
    """The command that begins these words, and what comes after it.

    Raises:
      UsageError: there is none.
    """
    known = all_commands()
    for length in (2, 1):
        command = known.get(" ".join(words[:length]))
        if command is not None:
            return command, list(words[length:])
    inside = [each for each in known if each.split()[0] == words[0]]
    if inside and (len(words) == 1 or words[1].startswith("-")):
        lines = [f"  {each:<22}{known[each].help}" for each in inside]
        print("\n".join([f"usage: reid-jax {words[0]} COMMAND ...", "", *lines]))
        sys.exit(0 if words[1:2] in (["-h"], ["--help"]) else 2)
    called = " ".join(words[:2] if inside else words[:1])
    raise UsageError(f"there is no command {called or 'without a name'}{_hint(called)}")


def _hint(called: str) -> str:
    """The nearest command: by its words, then by the last of them."""
    by_word = {word: each for each in all_commands() for word in (each.split()[-1], each)}
    near = difflib.get_close_matches(called.lower().replace("_", "-"), by_word, 1)
    return f"; did you mean {by_word[near[0]]}?" if near else "; see reid-jax --help."


def help_text() -> str:
    """All commands on one screen."""
    lines = ["usage: reid-jax COMMAND ...", _ABOUT]
    for group, commands in GROUPS.items():
        lines += ["", group]
        lines += [f"  {command.words:<22}{command.help}" for command in commands]
        if group == "individuals":
            lines.append(f"  {'gallery':<22}who is who: lists {len(WHO)} more, to decide and undo")
    lines += ["", "options"]
    lines += [f"  {words:<22}{text}" for words, text in _OPTIONS.items()]
    lines += ["", "reid-jax COMMAND --help explains a command, reid-jax train lists what to train."]
    return "\n".join(lines)


def _version() -> str:
    import platform
    from importlib.metadata import version

    import jax

    devices = jax.devices()
    return "\n".join(
        [
            f"reid-jax {version('reid-jax')}",
            f"python {platform.python_version()}, jax {jax.__version__}",
            f"{len(devices)} x {devices[0].device_kind}",
        ]
    )
