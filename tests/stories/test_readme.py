"""What README.md and its pages name is there: files, commands, settings, rooms of the house."""

import inspect
import re
import shlex

import pytest

import reid_jax as rj
from reid_jax import configurations
from reid_jax.commands.catalogue import all_commands
from reid_jax.plan.plan import Question
from tests.paths import REPOSITORY
from tests.stories.test_architecture import FLOORS

README = REPOSITORY / "README.md"
RESULTS = sorted((REPOSITORY / "scripts" / "results").glob("*.md"))
PAGES = [README, *RESULTS, REPOSITORY / "reid_jax" / "data" / "README.md"]
PAGE_NAMES = [page.relative_to(REPOSITORY).as_posix() for page in PAGES]
OF_EVERY_COMMAND = {"--help", "--version"}


def code(text: str) -> list[str]:
    """Lines in fences, those that go on joined, and words between backquotes."""
    fences = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = "\n".join(fences).replace("\\\n", " ").splitlines()
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return lines + re.findall(r"`([^`]+)`", prose)


def test_readme_is_short_and_ends_with_its_changes():
    lines = README.read_text().splitlines()
    assert len(lines) <= 220
    assert [line for line in lines if line.startswith("## ")][-1] == "## Changes"


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_links_and_files_are_there(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if not target.startswith("http"):
            assert (page.parent / target.partition("#")[0]).exists(), target
    for words in code(text):
        for path in re.findall(r"(?<![\w/.])(?:reid_jax|scripts|tests|configs)/[\w./]+", words):
            if path != "scripts/results/session":
                assert (REPOSITORY / path.rstrip(".")).exists(), path


def commands(text: str) -> list[list[str]]:
    """The words after each `reid-jax`, without comments and the brackets of what is optional."""
    found = []
    for line in code(text):
        _, name, words = line.partition("#")[0].partition("reid-jax ")
        if name:
            found.append(shlex.split(words.replace("[", "").replace("]", "")))
    return found


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_commands_and_their_settings_are_there(page):
    known = all_commands()
    for words in commands(page.read_text()):
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        flags -= OF_EVERY_COMMAND
        if words[0] == "train":
            check_training(words, flags)
        elif words[0] == "plan":  # its own arguments, and fields of the configuration
            named = Question.__dataclass_fields__
            check_training(words, {each for each in flags if each[2:] not in named})
        elif words[0].islower() and words[0][0] != "-" and words[0] != "completion":
            command = known.get(" ".join(words[:2])) or known[words[0]]
            parameters = inspect.signature(command.function()).parameters
            for flag in flags:
                name = flag[2:].replace("-", "_").removeprefix("no_")
                name = "workdir" if name == "model" else name  # see commands.arguments.Network
                assert name in parameters, f"{' '.join(words)}: {flag}"


def check_training(words: list[str], flags: set[str]) -> None:
    if len(words) == 1 or words[1].isupper() or words[1].endswith(".py"):
        config = rj.configs.get("demo")
    else:
        assert words[1] in configurations.names(), words
        config = rj.configs.get(words[1])
    for flag in flags - {"--workdir"}:
        value = config
        for part in flag[2:].replace("-", "_").split("."):
            value = value[int(part)] if part.isdigit() else getattr(value, part)


def test_settings_that_stand_alone_are_those_of_photos():
    config = rj.configs.get("demo")
    for words in code(README.read_text()):
        for path in re.findall(r"(?<!\S)--((?:data|train|model)\.[\w-]+)", words):
            section, _, field = path.replace("-", "_").partition(".")
            assert hasattr(getattr(config, section), field) or field in ("path", "fold"), path


def test_names_in_python_are_there():
    block = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    for dotted in re.findall(r"\brj\.([\w.]+)", block[1]):
        value = rj
        for part in dotted.split("."):
            value = getattr(value, part)


def test_the_drawing_is_the_house():
    block = re.search(
        r"## How it is built\n\n```\nreid_jax/\n(.*?)```", README.read_text(), re.DOTALL
    )
    drawn = []
    for line in block[1].splitlines():
        names = re.split(" {4,}", line.strip())[0].split()
        for name in names:
            there = name if name.endswith("/") else f"{name}.py"
            assert (REPOSITORY / "reid_jax" / there).exists(), there
        drawn.append({name.rstrip("/") for name in names})
    assert tuple(drawn[::-1]) == FLOORS


@pytest.mark.parametrize("page", RESULTS, ids=lambda page: page.name)
def test_results_say_when_on_what_and_by_which_command(page):
    text = page.read_text()
    if page.name == "glossary.md":
        for word in ("frozen features", "raw pixels", "untrained network", "balanced accuracy"):
            assert f"- **{word}**: " in text
        for word in (
            "frozen network",
            "fine-tuned network",
            "mixture",
            "whitening",
            "AUROC",
            "OSCR",
            "BAKS",
            "BAUS",
        ):
            assert f"- **{word}**: " in text
        return
    assert "](glossary.md)" in text
    assert re.search(r"\d{4}-\d\d-\d\d", text)
    assert re.search(r"\d CPU cores", text)
    assert "```\n" in text
