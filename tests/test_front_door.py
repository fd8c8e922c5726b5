"""The command `reid-jax`: what it lists, how it takes words, and that a wheel has all of it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from reid_jax import UserError, configurations
from reid_jax.commands import completion, learn, main
from reid_jax.commands.arguments import flags_alone, with_flags
from reid_jax.commands.catalogue import all_commands
from tests.paths import REPOSITORY


def reid_jax(*words: object, code: int = 0, **environment: str) -> str:
    program = "import sys; from reid_jax.commands.main import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        env={**os.environ, "XLA_FLAGS": "", **environment},
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
        assert any(line.split(command.help)[0].strip() == command.words for line in lines)
        assert callable(command.function())


def test_help_and_mistakes_are_answered_without_jax():
    program = (
        "import sys\nfrom reid_jax.commands.main import main\n"
        "try:\n    main()\nfinally:\n"
        "    assert not {'jax', 'tensorflow', 'matplotlib'} & set(sys.modules)"
    )
    for words, code in ((["--help"], 0), (["trian"], 2), (["gallery"], 2), (["train"], 2)):
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True)
        assert done.returncode == code, done.stderr


def test_a_misspelt_command_or_configuration_gets_the_nearest():
    assert "did you mean keyframes?" in reid_jax("keyframe", code=2)
    assert "did you mean demo?" in reid_jax("train", "dmeo", "--workdir", "x", code=2)


def test_every_configuration_is_listed_with_what_it_needs():
    listed = learn.listing()
    for name in configurations.names():
        assert f"\n{name} " in listed
    assert "needs nothing; Rank-1" in listed


def test_a_configuration_of_ones_own_is_a_path(tmp_path):
    (tmp_path / "mine.py").write_text('"""Mine."""\n\n\ndef get_config():\n    return 7\n')
    assert configurations.get(str(tmp_path / "mine.py")) == 7
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(UserError, match="has no function get_config"):
        configurations.get(str(tmp_path / "empty.py"))
    (tmp_path / "broken.py").write_text("def get_config(:\n")
    with pytest.raises(UserError, match="is not Python: line 1"):
        configurations.describe(tmp_path / "broken.py")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("RUN SOURCE --out F", "--workdir RUN --data SOURCE --out F"),
        ("--workdir RUN --data SOURCE", "--workdir RUN --data SOURCE"),
        ("SOURCE --workdir RUN", "--data SOURCE --workdir RUN"),
        ("RUN --data=SOURCE", "--workdir RUN --data=SOURCE"),
        ("--help", "--help"),
        ("", ""),
    ],
)
def test_what_is_worked_on_may_come_first_without_a_flag(words, expected):
    assert with_flags(words.split(), ("--workdir", "--data")) == expected.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--rerank True --out F", "--rerank --out F"),
        ("--rerank False", ""),
        ("--rerank --json F", "--rerank --json F"),
        ("--compiled False", "--no-compiled"),
        ("--compiled True --speed True", "--speed True"),
    ],
)
def test_a_switch_may_have_its_value_behind_it(words, expected):
    def function(rerank: bool = False, compiled: bool = True, speed: float = 1.0) -> None: ...

    assert flags_alone(function, words.split()) == expected.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(shell):
    script = completion.completion(shell)
    assert "keyframes" in script
    assert "fashion_mnist_siamese" in script
    if shell == "bash":
        program = f"{script}\nCOMP_WORDS=(reid-jax gallery id); COMP_CWORD=2; _reid_jax\n"
        program += 'echo "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", program], capture_output=True, text=True)
        assert done.stdout.strip() == "identify", done.stderr
    with pytest.raises(UserError, match="bash, zsh or fish"):
        completion.completion("tcsh")


def test_version_names_the_device():
    assert "1 x cpu" in reid_jax("--version", JAX_PLATFORMS="cpu")


def test_the_wheel_lists_every_package():
    import tomllib

    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent for path in (REPOSITORY / "reid_jax").rglob("*.py")}
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
        env={**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.split()[0]).is_relative_to(tmp_path / "installed")
    assert json.loads((work / "x" / "config.json").read_text())["train"]["steps"] == 2
