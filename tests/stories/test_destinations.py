"""Every command looks at the place of its results first, before a photo or a video is read."""

import runpy
import sys

import pytest

from reid_jax import configurations
from reid_jax.commands.catalogue import all_commands
from reid_jax.training.config_file import claim_workdir
from tests.doors import call

# Everything else that they are given is missing, and would be said if it were looked at first.
COMMANDS = {
    "compare": ("no/run", "no/run", "--out", "FOLDER"),
    "data": ("folder:no/photos", "--html", "FILE"),
    "data out": ("folder:no/photos", "--out", "FOLDER"),
    "embed": ("--workdir", "no/run", "--data", "folder:no/photos", "--out", "FILE"),
    "evaluate": ("--workdir", "RUN", "--data", "folder:no/photos", "--json", "FILE"),
    "evaluate out": ("RUN", "folder:no/photos", "--out", "FOLDER"),
    "export": ("no/run", "--to", "stablehlo", "--out", "FOLDER"),
    "extract": ("no.mp4", "--weights", "no.safetensors", "--out", "FILE"),
    "keyframes": ("no.mp4", "--run", "no/run", "--out", "FOLDER"),
    "losses": ("--out", "FOLDER"),
    "models": ("--json", "FILE"),
    "open-set": ("--workdir", "no/run", "--json", "FILE"),
    "same-video": ("no.mp4", "too.mp4", "--workdir", "no/run", "--json", "FILE"),
    "scale": ("--devices", "3", "--plot", "FILE"),
    "score": ("--workdir", "no/run", "--data", "no.h5", "--out", "FILE"),
    "pairs": ("no/run", "--out", "FOLDER"),
    "report": ("architectures", "--data", "synthetic:4x4", "--out", "FOLDER"),
    "serve": ("--keyframes", "no/run", "--folder", "FOLDER", "--no-open"),
    "serve demo": ("demo", "--folder", "FOLDER", "--no-open"),
}
GALLERY = {
    "build": ("--workdir", "no/run", "--data", "folder:no/photos", "--out", "FOLDER"),
    "json": ("no.jpg", "--gallery", "no/gallery", "--json", "FILE"),
    "csv": ("no.jpg", "--gallery", "no/gallery", "--csv", "FILE"),
    "html": ("no.jpg", "--gallery", "no/gallery", "--html", "FILE"),
}


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Gives what a command says to a place below a file, for FILE and FOLDER."""
    monkeypatch.setenv("GLIBC_TUNABLES", "")  # or else the commands start themselves again
    (tmp_path / "notes.txt").write_text("mine")
    run = tmp_path / "run"
    claim_workdir(run, configurations.get("demo"))
    places = {"FILE": tmp_path / "notes.txt" / "out", "FOLDER": tmp_path / "notes.txt", "RUN": run}

    def said(name, *arguments):
        with pytest.raises(SystemExit) as raised:
            call(name, *(places.get(argument, argument) for argument in arguments))
        assert raised.value.code == 1
        return capsys.readouterr().err

    return said


@pytest.mark.parametrize(("name", "arguments"), COMMANDS.items(), ids=COMMANDS)
def test_a_command_looks_at_its_destination_first(refused, name, arguments):
    said = refused(name.split()[0], *arguments)
    assert "notes.txt is a file, not a folder" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(("kind", "arguments"), GALLERY.items(), ids=GALLERY)
def test_a_gallery_looks_at_its_destination_first(refused, kind, arguments):
    said = refused("gallery", "build" if kind == "build" else "identify", *arguments)
    expected = "is not a gallery" if kind == "build" else "notes.txt is a file, not a folder"
    assert expected in said


def test_a_folder_of_something_else_takes_no_gallery(refused, tmp_path):
    said = refused("gallery", *("build", *GALLERY["build"][:-1], str(tmp_path)))
    assert f"{tmp_path} is there already and is not a gallery" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "run"]


def test_the_benchmark_looks_at_its_destination_first(tmp_path, monkeypatch, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    file = str(tmp_path / "notes.txt" / "out")
    monkeypatch.setattr(sys, "argv", ["bench", "step", "--json", file])
    monkeypatch.setenv("GLIBC_TUNABLES", "")
    with pytest.raises(SystemExit):
        runpy.run_module("scripts.bench", run_name="__main__")
    assert "notes.txt is a file, not a folder" in capsys.readouterr().err


def test_every_command_that_writes_is_among_them():
    others = {"train", "plan", "cache info", "cache clear"}
    others |= {each for each in all_commands() if each.startswith(("gallery ", "serve "))}
    first = {each.split()[0] for each in set(all_commands()) - others}
    assert first == {each.split()[0] for each in COMMANDS}
