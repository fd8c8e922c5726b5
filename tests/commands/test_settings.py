"""Fields of a configuration as arguments: what is offered, under which names, explained how."""

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest

from reid_jax import configurations
from reid_jax.commands.learn import asked
from reid_jax.fields import HIDDEN, OFTEN, POSITIVE, Auto, marks_of


@dataclass(frozen=True)
class Small:
    """One way."""

    margin: float = 0.3
    """How far."""


@dataclass(frozen=True)
class Large:
    """Another way."""

    rank: int = 4
    """How many."""


@dataclass(frozen=True)
class Section:
    """What is looked at."""

    size: Annotated[int, POSITIVE, Auto(0), OFTEN] = 8
    """As many as
    there are."""
    form: Annotated[int, HIDDEN] = 2
    """Of an earlier version."""
    rare: bool = False
    """Seldom."""


@dataclass(frozen=True)
class Experiment:
    data: Section = field(default_factory=Section)
    loss: Small | Large = field(default_factory=Small)


@dataclass(frozen=True)
class Mine(Experiment):
    data: Section = field(default_factory=lambda: Section(form=1))


def read(words, default=None):
    return asked(default or Experiment(), ["--workdir", "x", *words.split()], "train")[1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", Experiment()),
        ("--size 3", Experiment(Section(3))),
        ("--size auto --data.rare True", Experiment(Section(0, rare=True))),
        ("--data.rare --size 3", Experiment(Section(3, rare=True))),
        ("--size 3 --data.rare", Experiment(Section(3, rare=True))),
        ("--data.rare False", Experiment()),
        ("--data.size=3 --loss.margin 1", Experiment(Section(3), Small(1.0))),
    ],
)
def test_words_change_fields(words, expected):
    assert read(words) == expected


def test_of_several_kinds_the_default_is_offered():
    assert read("--loss.rank 2", Experiment(loss=Large())) == Experiment(loss=Large(2))
    with pytest.raises(SystemExit):
        read("--loss.rank 2")


def test_what_is_hidden_stays_as_it_is():
    assert read("--size 3", Mine()) == Mine(Section(3, form=1))
    with pytest.raises(SystemExit):
        read("--data.form 1")


def test_what_is_no_number_is_refused(capsys):
    with pytest.raises(SystemExit):
        read("--size many")
    assert "INT|auto" in capsys.readouterr().err


def help_of(default, capsys):
    with pytest.raises(SystemExit):
        read("--help", default)
    return " ".join(re.sub("[│╭╮╰╯─]|-{5,}", " ", capsys.readouterr().out).split())


def test_what_is_set_often_is_explained_first(capsys):
    text = help_of(Mine(), capsys)
    first, sections = text.split("data options")
    assert "--size INT|auto, --data.size INT|auto As many as there are. (default: 8)" in first
    assert "What is looked at. --data.rare {True,False} Seldom." in sections
    assert "One way. --loss.margin" in sections
    assert "form" not in text


@pytest.mark.parametrize("name", ["demo", "turtles_pretrained", "tvsum", "video_similarity"])
def test_every_field_of_a_configuration_is_explained(name, capsys):
    config = configurations.get(name)
    text = help_of(config, capsys)
    assert asked(config, ["--workdir", "x"], "train") == (Path("x"), config)
    found = {}
    for section, marks in marks_of(type(config)).items():
        value = getattr(config, section)
        inside = marks_of(type(value)) if dataclasses.is_dataclass(value) else {}
        found |= {f"{section}.{each}": more for each, more in inside.items()}
        if not inside and section != "stages":
            found[section] = marks
    for each, marks in found.items():
        flag = f"--{each}".replace("_", "-")
        assert bool(re.search(rf"{flag} \S+ [^-]", text)) != (HIDDEN in marks), flag
