"""What commands there are, in groups, and where each begins; saying so imports nothing heavy."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
      words: what it is called by, one word or two.
      place: `module:function` that it calls.
      help: what it does, a line.
      first: flags whose values may stand first without them, in this order.
    """

    words: str
    place: str
    help: str
    first: tuple[str, ...] = ()

    @property
    def order(self) -> str:
        """How it is called with what may stand without flags; empty where nothing may."""
        short = " ".join(_SHORT[flag] for flag in self.first)
        return f"reid-jax {self.words} {short} ..." if short else ""

    def function(self) -> Callable[..., None]:
        """What is called, imported now."""
        module, name = self.place.split(":")
        function: Callable[..., None] = getattr(importlib.import_module(module), name)
        return function


_SHORT = {
    "--workdir": "RUN",
    "--data": "SOURCE",
    "--gallery": "GALLERY",
    "--identity": "NAME",
    "--photo": "PHOTO",
    "--other": "OTHER",
    "--name": "NAME",
    "--new-name": "NEW_NAME",
    "--into": "NAME",
    "--what": "WHAT",
    "--text": "TEXT",
    "--column": "COLUMN",
    "--value": "VALUE",
    "--number": "NUMBER",
    "--source": "SOURCE",
    "--old": "OLD",
    "--new": "NEW",
}
_LEARN = "reid_jax.commands.learn"
_INDIVIDUALS = "reid_jax.commands.individuals"
_VIDEOS = "reid_jax.commands.videos"
_GALLERY = "reid_jax.commands.gallery"
_DECISIONS = "reid_jax.commands.decisions"
_EXCHANGE = "reid_jax.commands.exchange"
_EXPORT = "reid_jax.commands.export"
_ARCHITECTURES = "reid_jax.commands.architectures"
_MACHINE = "reid_jax.commands.machine"
_DEPLOY = "reid_jax.commands.deploy"
_REPORTS = "reid_jax.commands.reports"
_SOURCE, _RUN, _KEPT = ("--workdir", "--data"), ("--workdir",), ("--gallery",)

GROUPS: dict[str, tuple[Command, ...]] = {
    "learn": (
        Command(
            "train",
            f"{_LEARN}:train",
            "train a configuration; alone, list them",
        ),
        Command("evaluate", f"{_LEARN}:evaluate", "how good a run is, beside baselines", _SOURCE),
        Command("compare", f"{_LEARN}:compare", "which differences between runs are no luck"),
        Command(
            "report architectures",
            f"{_ARCHITECTURES}:report_architectures",
            "which network to take, by trainings on your data",
            ("--data",),
        ),
        Command("losses", f"{_LEARN}:losses", "draw every objective: cost, pull, margin"),
        Command("models", f"{_LEARN}:models", "what each network costs, or one layer by layer"),
        Command("export", f"{_EXPORT}:export", "a network for ONNX, OpenVINO, LiteRT, XLA", _RUN),
    ),
    "individuals": (
        Command("data", f"{_INDIVIDUALS}:data", "what a source of photos holds", ("--data",)),
        Command("embed", f"{_INDIVIDUALS}:embed", "photos to vectors, in a file", _SOURCE),
        Command("gallery build", f"{_GALLERY}:build", "known individuals to a gallery", _SOURCE),
        Command(
            "gallery cluster", f"{_GALLERY}:cluster", "photos without names to groups", ("--data",)
        ),
        Command("gallery add", f"{_GALLERY}:add", "more photos", ("--gallery", "--data")),
        Command("gallery info", f"{_GALLERY}:info", "what is in it, when it is believed", _KEPT),
        Command(
            "gallery identify",
            f"{_GALLERY}:identify",
            "who is on these photos, or nobody known",
            _KEPT,
        ),
        Command("gallery duplicates", f"{_GALLERY}:duplicates", "what is there twice", _KEPT),
        Command(
            "open-set", f"{_INDIVIDUALS}:open_set", "does a run know whom it does not know", _RUN
        ),
    ),
    "videos": (
        Command("keyframes", f"{_VIDEOS}:keyframes", "the frames that matter"),
        Command("extract", f"{_VIDEOS}:extract", "films to features, to train on"),
        Command("score", f"{_VIDEOS}:score", "the score of every frame, in a file", _SOURCE),
        Command("same-video", f"{_VIDEOS}:same_video", "are these clips of one video"),
        Command("pairs", f"{_VIDEOS}:pairs", "how well runs tell pairs of clips apart"),
    ),
    "deploy": (
        Command("serve", f"{_DEPLOY}:serve", "a page where people decide", _KEPT),
        Command("serve token", f"{_DEPLOY}:token", "let a program ask"),
        Command("serve users", f"{_DEPLOY}:users", "who may sign in"),
        Command("serve demo", f"{_DEPLOY}:demo", "the same, of drawn animals"),
    ),
    "machine": (
        Command(
            "plan",
            f"{_MACHINE}:plan",
            "what a run needs on accelerators that are not here",
        ),
        Command(
            "scale",
            f"{_MACHINE}:scale",
            "a step on several devices, measured and foretold",
        ),
        Command("cache info", f"{_MACHINE}:cache_info", "embeddings kept for the next command"),
        Command("cache clear", f"{_MACHINE}:cache_clear", "forget them"),
    ),
}


WHO = (
    Command(
        "gallery remove",
        f"{_GALLERY}:remove",
        "individuals or photos out",
        ("--gallery", "--identity"),
    ),
    Command("gallery list", f"{_DECISIONS}:list_names", "its individuals", _KEPT),
    Command(
        "gallery show", f"{_DECISIONS}:show", "the photos of one, or a photo", (*_KEPT, "--what")
    ),
    Command(
        "gallery confirm",
        f"{_DECISIONS}:confirm",
        "this photo surely shows NAME",
        (*_KEPT, "--photo", "--name"),
    ),
    Command(
        "gallery move", f"{_DECISIONS}:move", "photos to another individual", (*_KEPT, "--name")
    ),
    Command(
        "gallery rename", f"{_DECISIONS}:rename", "another name", (*_KEPT, "--name", "--new-name")
    ),
    Command("gallery merge", f"{_DECISIONS}:merge", "several that are one", (*_KEPT, "--into")),
    Command(
        "gallery split",
        f"{_DECISIONS}:split",
        "some photos of one to a new one",
        (*_KEPT, "--name", "--new-name"),
    ),
    Command("gallery mark", f"{_DECISIONS}:mark", "photos that take no part", (*_KEPT, "--what")),
    Command(
        "gallery note",
        f"{_DECISIONS}:note",
        "about an individual or a photo",
        (*_KEPT, "--what", "--text"),
    ),
    Command("gallery doubts", f"{_GALLERY}:doubts", "names that are worth a look", _KEPT),
    Command(
        "gallery link",
        f"{_DECISIONS}:link",
        "two photos are of one, or not",
        (*_KEPT, "--photo", "--other", "--what"),
    ),
    Command("gallery box", f"{_DECISIONS}:box", "where the animal is", (*_KEPT, "--photo")),
    Command(
        "gallery describe",
        f"{_REPORTS}:describe",
        "sex, place, side and more",
        (*_KEPT, "--column", "--value"),
    ),
    Command(
        "gallery threshold",
        f"{_REPORTS}:threshold",
        "from when on names are given",
        (*_KEPT, "--value"),
    ),
    Command(
        "gallery history",
        f"{_DECISIONS}:history",
        "what was decided, and by whom",
        (*_KEPT, "--what"),
    ),
    Command("gallery undo", f"{_DECISIONS}:undo", "take one back", (*_KEPT, "--number")),
    Command(
        "gallery relocate",
        f"{_DECISIONS}:relocate",
        "photos that lie elsewhere now",
        (*_KEPT, "--old", "--new"),
    ),
    Command(
        "gallery reembed",
        f"{_GALLERY}:reembed",
        "by another network, compared with that before",
        _KEPT,
    ),
    Command(
        "gallery export",
        f"{_EXCHANGE}:export",
        "to CSV, XLSX, Camtrap DP, folders of links",
        _KEPT,
    ),
    Command(
        "gallery import", f"{_EXCHANGE}:import_", "names and facts from there", (*_KEPT, "--source")
    ),
    Command("gallery report", f"{_REPORTS}:report", "how sure it is, who was seen when", _KEPT),
    Command("gallery check", f"{_DECISIONS}:check", "is it whole, could it be made again", _KEPT),
)
"""Those that `reid-jax gallery` lists, and the screen of all names in a line."""


def all_commands() -> dict[str, Command]:
    """Every command by its words."""
    listed = [command for commands in GROUPS.values() for command in commands]
    return {command.words: command for command in (*listed, *WHO)}
