"""The command `reid-jax`: what it lists, how it takes words, and that a wheel has all of it."""

import inspect
import json
import os
import shutil
import subprocess
import sys
import typing
import zipfile
from pathlib import Path

import pytest

from reid_jax import UserError, configurations
from reid_jax.commands import completion, gallery, learn, machine, main, videos
from reid_jax.commands.catalogue import WHO, all_commands
from tests.devices import xla_flags
from tests.paths import REPOSITORY


def reid_jax(*words: object, code: int = 0, **environment: str) -> str:
    program = "import sys; from reid_jax.commands.main import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        env={**os.environ, "XLA_FLAGS": xla_flags(1), **environment},
        capture_output=True,
        text=True,
    )
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def test_all_commands_are_on_one_screen_and_exist():
    lines = main.help_text().splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 80
    for command in all_commands().values():
        shown = any(line.split(command.help)[0].strip() == command.words for line in lines)
        assert shown != (command in WHO)
        assert callable(command.function())


MISTAKES = {  # and the code that they end with
    "trian": 2,
    "gallery": 2,
    "completion": 2,
    "completion tcsh": 2,
    "train nosuch": 1,
    "train --workdir x": 2,
    "train --workdir x --steps=3 nosuch": 1,
    "embed": 2,
    "evaluate nosuch": 1,
    "evaluate nosuch --bad-option": 2,
    "compare": 1,
    "compare nosuch nosuch": 1,
    "losses --bad-option": 2,
    "models --bad-option": 2,
    "scale --bad-option": 2,
    "gallery add nosuch photos": 1,
    "gallery remove nosuch": 1,
    "gallery info nosuch": 1,
    "gallery identify": 2,
    "gallery identify nosuch photo.jpg": 1,
    "gallery duplicates nosuch": 1,
    "gallery list nosuch": 1,
    "gallery confirm GALLERY photo.jpg": 2,
    "gallery rename nosuch one other": 1,
    "gallery merge nosuch one other": 1,
    "gallery mark nosuch ugly photo.jpg": 2,
    "gallery undo nosuch three": 2,
    "gallery check nosuch": 1,
    "open-set nosuch": 1,
    "embed RUN nosuch": 2,
    "embed nosuch RUN --out x.npz": 1,
    "evaluate folder:nosuch RUN": 1,
    "score nosuch.h5 RUN --out x.npz": 1,
    "gallery build nosuch RUN --out x": 1,
    "gallery add nosuch GALLERY": 1,
    "gallery remove nosuch GALLERY": 1,
    "gallery identify nosuch.jpg GALLERY": 1,
    "extract": 2,
    "same-video a.mp4 b.mp4 --workdir nosuch": 1,
    "pairs nosuch": 1,
}


def test_help_and_mistakes_are_answered_without_jax(tmp_path):
    """In one program: what one line imports, all that follow would be blamed for."""
    for kept, file in (("RUN", "config.json"), ("GALLERY", "CURRENT")):
        (tmp_path / kept).mkdir()
        (tmp_path / kept / file).write_text("")
    asked = {
        "--help": 0,
        "train": 0,
        "train --workdir x --help": 0,
        "completion zsh": 0,
        **MISTAKES,
    }
    asked |= {f"{words} --help": 0 for words in all_commands()}
    program = (
        "import json, sys\nfrom reid_jax.commands.main import main\n"
        "for words, code in json.loads(sys.argv[1]).items():\n"
        "    sys.argv[1:] = words.split()\n"
        "    ended = 0\n"
        "    try:\n        main()\n"
        "    except SystemExit as end:\n        ended = end.code or 0\n"
        "    slow = {'jax', 'tensorflow', 'matplotlib'} & set(sys.modules)\n"
        "    assert ended == code and not slow, (words, ended, slow)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(asked)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "nosuch is no run, but RUN is one: reid-jax embed RUN SOURCE" in done.stderr
    assert "but GALLERY is one: reid-jax gallery identify GALLERY ..." in done.stderr


def test_defaults_that_are_written_twice_are_the_same():
    """So that the commands can be explained without what they call."""
    from reid_jax.individuals.calibration import STRANGERS
    from reid_jax.individuals.evidence.features import Evidence
    from reid_jax.individuals.gallery.identify import Index
    from reid_jax.keyframes.films.choice import Choice
    from reid_jax.keyframes.selection import SHARE
    from reid_jax.ops.ranking.individuals import Rule

    assert inspect.signature(videos.keyframes).parameters["share"].default == SHARE
    assert inspect.signature(gallery.build).parameters["strangers"].default == STRANGERS
    kinds = inspect.signature(gallery.identify).parameters
    for asking in (gallery.build, gallery.add, gallery.identify, learn.evaluate):
        assert inspect.signature(asking).parameters["evidence"].annotation == Evidence | None
    assert (kinds["score"].annotation, kinds["index"].annotation) == (Rule, Index)
    select = inspect.signature(videos.keyframes).parameters["select"].annotation
    assert select == typing.get_type_hints(Choice)["select"]


def test_a_misspelt_command_or_configuration_gets_the_nearest():
    assert "did you mean keyframes?" in reid_jax("keyframe", code=2)
    assert "no command gallery bild; did you mean gallery build?" in reid_jax(
        "gallery", "bild", "--workdir", "x", code=2
    )
    for words, nearest in (("identify", "gallery identify"), ("same_video", "same-video")):
        assert f"did you mean {nearest}?" in reid_jax(words, code=2)
    assert "did you mean demo?" in reid_jax("train", "dmeo", "--workdir", "x", code=1)


def test_every_configuration_is_listed_with_what_it_needs():
    listed = learn.listing()
    for name in configurations.names():
        assert f"\n{name} " in listed
    assert "needs nothing; Rank-1" in listed


@pytest.mark.parametrize("words", ["help embed", "--help embed", "embed --help"])
def test_help_of_a_command_is_asked_for_in_any_order(words):
    assert "usage: reid-jax embed" in reid_jax(*words.split())


def test_completion_says_what_to_do_with_it():
    assert "source <(reid-jax completion bash)" in reid_jax("completion", "--help")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["", "--help", "train", "gallery", "embed --help"])
def test_output_that_nobody_takes_is_no_traceback(words, unbuffered):
    program = "from reid_jax.commands.main import main; main()"
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-c", program, *words.split()]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        process.stdout.close()  # as `| head` does
        assert process.stderr.read() == b""
    assert process.returncode == 1
    if Path("/dev/full").exists():
        with open("/dev/full", "w") as full:
            done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 1
        assert done.stderr.startswith(b"error: ")
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "words", ["demo --workdir x --help", "--workdir x demo --help", "--help --steps=3 demo"]
)
def test_a_configuration_is_found_among_fields(words):
    assert "usage: reid-jax train demo" in reid_jax("train", *words.split())


def test_a_line_is_in_a_log_when_it_is_printed():
    """Or else a training whose output goes to a file is silent for minutes."""
    program = (
        "import sys, time; from reid_jax.commands.terminal import plain_errors\n"
        "with plain_errors():\n    print('a line'); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, **pipes) as process:
        assert process.stdout.readline() == b"a line\n"  # while it still waits
        process.stdin.close()


def test_a_configuration_of_ones_own_is_a_path(tmp_path):
    """It may define types of its own, also with postponed annotations."""
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\nimport dataclasses\n"
        "from reid_jax.individuals.config import DataConfig, EmbeddingConfig\n\n\n"
        "@dataclasses.dataclass(frozen=True)\nclass Mine(EmbeddingConfig):\n"
        "    data: DataConfig = DataConfig(image_size=48)\n\n\n"
        "def get_config() -> Mine:\n    return Mine()\n"
    )
    assert configurations.get(str(tmp_path / "mine.py")).data.image_size == 48
    assert "(default: 48)" in reid_jax("train", tmp_path / "mine.py", "--help")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no function get_config"),
        ("\ndef get_config(:\n", "is not Python: line 2"),
        ("import not_there\n", "fails, line 1: ModuleNotFoundError: No module named 'not_there'"),
        ("def get_config():\n    return 1 / 0\n", "fails, line 2: ZeroDivisionError"),
        ("def get_config(size):\n    return size\n", "fails: TypeError: get_config() missing"),
        ("def get_config():\n    pass\n", "returns NoneType; it returns a configuration"),
        ("def get_config():\n    return 7\n", "returns int; it returns a configuration"),
    ],
)
def test_a_mistake_in_a_configuration_of_ones_own_is_one_sentence(tmp_path, text, sentence):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError) as caught:
        configurations.get(str(tmp_path / "mine.py"))
    assert sentence in str(caught.value)
    if "is not Python" in sentence:
        with pytest.raises(UserError, match=sentence):
            configurations.describe(tmp_path / "mine.py")


def test_a_name_that_is_no_configuration_is_one_sentence(tmp_path):
    (tmp_path / "mine").write_text("def get_config(): ...\n")
    for name, words in (
        (str(tmp_path / "mine"), "the name of a Python file ends in .py"),
        ("DEMO", "did you mean demo"),
        ("", "without a name"),
    ):
        with pytest.raises(UserError, match=words):
            configurations.find(name)


COMPLETE = {  # what a shell does with a script and words, and how it is started
    "bash": "COMP_WORDS=({words}); COMP_CWORD={at}; _reid_jax; echo ${{COMPREPLY[@]}}",
    "zsh": "setopt KSH_ARRAYS; COMP_WORDS=({words}); COMP_CWORD={at}; _reid_jax\n"
    "echo ${{COMPREPLY[@]}}",
    "fish": 'complete -C "{words}"',
}
NO_FILES = {"bash": "--norc", "zsh": "-f", "fish": "--no-config"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("reid-jax keyf", "keyframes"),
        ("reid-jax gallery id", "identify"),
        ("reid-jax -q gallery id", "identify"),
        ("reid-jax train dem", "demo"),
        ("reid-jax embed --verb", "--verbose"),
        ("reid-jax gallery identify bui", ""),
    ],
)
def test_shells_complete_commands(shell, words, expected, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    asked = COMPLETE[shell].format(words=words, at=len(words.split()) - 1)
    (tmp_path / "script").write_text(f"{completion.completion(shell)}\n{asked}\n")
    done = subprocess.run(
        [shell, NO_FILES[shell], "script"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert not done.stderr
    offered = done.stdout.partition("\t")[0].split()
    if shell == "zsh":  # which itself takes those that begin alike
        offered = [each for each in offered if each.startswith(words.split()[-1])]
    assert offered == expected.split()


def test_there_is_no_completion_for_other_shells():
    with pytest.raises(UserError, match="bash, zsh or fish"):
        completion.completion("tcsh")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("compare", "needs two runs or more"),
        ("extract --out x.h5", "Name the videos"),
    ],
)
def test_commands_that_are_given_nothing_ask_for_it(words, sentence):
    assert sentence in reid_jax(*words.split(), code=1)


def test_version_names_the_device():
    assert "1 x cpu" in reid_jax("--version", JAX_PLATFORMS="cpu")


def test_the_wheel_lists_every_package():
    import tomllib

    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    kinds = ("*.py", "*.toml", "*.json", "*.css", "*.html")
    files = [path for kind in kinds for path in (REPOSITORY / "reid_jax").rglob(kind)]
    folders = {path.parent for path in files}
    names = {".".join(folder.relative_to(REPOSITORY).parts) for folder in folders}
    assert set(listed["packages"]) == names | {"reid_jax.configs"}


@pytest.mark.exhaustive
def test_a_wheel_trains_elsewhere_by_bare_name(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    built = subprocess.run(
        [*command, str(tmp_path), str(REPOSITORY)], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    work = tmp_path / "work"
    work.mkdir()
    program = (
        "import sys, reid_jax; from reid_jax.commands.main import main\n"
        "print(reid_jax.__file__); main()"
    )
    words = ["train", "demo", "--workdir", "x", "--train.steps", "2", "--data.source"]
    words += ["synthetic:20x4", "--data.batch-size", "8", "--data.image-size", "16"]
    words += ["--optimizer.warmup-steps", "1", "--train.parallel", "single"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=work,
        env={**os.environ, "XLA_FLAGS": xla_flags(1), "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.split()[0]).is_relative_to(tmp_path / "installed")
    assert json.loads((work / "x" / "config.json").read_text())["train"]["steps"] == 2


def test_a_plan_takes_switches_and_fields_that_stand_alone():
    config = configurations.get("throughput_resnet50")
    words = ["--device", "h100", "--explain", "--model.remat", "--devices", "1,8"]
    given = machine._asked(config, words, "reid-jax plan")
    assert (given["explain"], given["largest_batch"], given["devices"]) == (True, False, (1, 8))
    assert given["config"].model.remat
