"""What a newcomer asks `reid-jax plan` for that cannot be is one sentence, before anything long."""

import subprocess
import sys

import jax
import pytest

from reid_jax import configurations
from reid_jax.errors import UserError
from reid_jax.fields import with_values
from reid_jax.plan import compilers, programs
from reid_jax.plan import plan as planning
from reid_jax.plan.accelerators import accelerator
from reid_jax.plan.process import in_process
from reid_jax.questions import question_named
from reid_jax.training.loop import initial_state
from reid_jax.training.parallel import make_layout
from tests.doors import call


@pytest.fixture(autouse=True)
def nothing_long(monkeypatch):
    """The compilers are there, and must not be called."""
    monkeypatch.setattr(planning, "check_compilers", lambda kind: None)
    monkeypatch.setattr(planning, "in_process", lambda *_: pytest.fail("it compiles"))


DEMO, H100 = ("plan", "demo", "--identities=100"), "--device=h100"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--device=h10"], "did you mean h100?"),
        ([H100, "--devices=0"], "There is no NVIDIA H100 SXM of 0 devices; there are 1 to 8"),
        (["--device=v5e", "--devices=3"], "There is no TPU v5e of 3 devices; there are 1, 4, 8"),
        ([H100, "--devices=1,8,x"], "it is numbers with commas between: 1,8,64."),
        ([H100, "--devices=1,8", "--data.batch-size=12"], "12, which 8 devices cannot share"),
        (
            [H100, "--devices=8", "--model.batch-norm=device", "--train.accumulate=16"],
            "cannot share equally; a multiple of 128",
        ),
        ([H100, "--identities=0"], "--identities is 0; it must be 1 or more."),
        ([H100, "--photos=3"], "--photos is 3, fewer than one for each of 100 --identities."),
        ([H100, "--what=search", "--gallery=0"], "--gallery is 0; it must be 1 or more."),
        ([H100, "--gallery=5"], "--gallery changes nothing of --what step; leave it out."),
        ([H100, "--what=search", "--largest-batch"], "--largest-batch changes nothing of --what"),
        ([H100, "--cores=-1"], "--cores is -1; it must be 0 or more."),
        ([H100, "--cores=4", "--decode-rate=nan"], "--decode-rate is nan; it must be above 0."),
        ([H100, "--decode-rate=50"], "--decode-rate without --cores changes nothing"),
        ([H100, "--json=/proc/x.json"], "/proc/x.json cannot be written to"),
        ([H100, "--json=unheard-of://x/plan.json"], "Protocol not known"),
    ],
)
def test_what_cannot_be_is_one_sentence(words, sentence, capsys):
    with pytest.raises(SystemExit) as ended:
        call(*DEMO, *words)
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_a_configuration_of_ones_own_with_an_error_is_named_with_its_line(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("config = (\n")
    with pytest.raises(SystemExit):
        call("plan", tmp_path / "mine.py", H100)
    assert "mine.py is not Python: line 1" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["evaluate", "search"])
def test_frames_that_are_scored_are_not_ranked(what, capsys):
    with pytest.raises(SystemExit):
        call("plan", "tvsum", "--identities=40", H100, "--what", what)
    assert "are of embeddings of photos; use step or embed." in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plan", "train"])
def test_a_configuration_alone_is_told_what_is_missing(command, capsys, monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "")  # else training starts the process again
    with pytest.raises(SystemExit) as ended:
        call(command, "demo")
    assert ended.value.code == 2
    assert "--help" in capsys.readouterr().err


def test_what_the_house_hides_from_jax_is_there_for_plan(tmp_path, monkeypatch):
    (tmp_path / "libtpu").mkdir()
    (tmp_path / "libtpu" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.setitem(sys.modules, "libtpu", None)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(UserError, match="compiler of TPUs is not installed"):
        compilers.check_compilers("tpu")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    compilers.check_compilers("tpu")


def test_the_first_line_and_what_is_no_machine_come_before_jax():
    """Which is imported for seconds."""
    code = (
        "import sys\n"
        "from reid_jax.commands import machine\n"
        "from reid_jax.errors import UserError\n"
        "machine._announce('demo', ['--explain', '--device', 'h100', '--devices=1,8'])\n"
        "for words in ('demo --device=h10', 'demo --device v5e --devices 1,3'):\n"
        "    try:\n"
        "        machine.plan(words.split())\n"
        "    except UserError as error:\n"
        "        print(error)\n"
        "assert 'jax' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, unknown, none_such = done.stdout.splitlines()
    assert first == "planning demo for NVIDIA H100 SXM"
    assert "did you mean h100?" in unknown
    assert "There is no TPU v5e of 3 devices" in none_such


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"parameters and moments": 90e9, "photos of the batch": 1e9},
            "moments are 90.0 GB on each of 8",
        ),
        ({"parameters and moments": 1e9, "resident photos": 79.5e9}, "take --data.input stream."),
        ({"parameters and moments": 1e9, "photos of the batch": 80e9}, "smaller --data.batch-size"),
    ],
)
def test_what_is_too_large_before_anything_is_made_of_it_is_named(given, sentence):
    with pytest.raises(UserError, match=sentence):
        programs.check_given(given, accelerator("h100"), 8)


def test_what_a_device_is_given_is_counted_on_one_of_them():
    config = configurations.get("demo")
    experiment = question_named("EmbeddingConfig").imagined(config, 120, 480)
    layout = make_layout("mesh", 1)
    given = programs.step(experiment, config, layout, config.data.batch_size).given
    size = config.data.image_size
    assert given["resident photos"] == 480 * (size * size * config.data.channels + 4)
    state = initial_state(experiment, 0, ema=config.optimizer.ema_decay > 0)
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    assert given["parameters and moments"] == held
    programs.check_given(given, accelerator("l4"), 1)


@pytest.mark.parametrize(
    ("what", "made", "largest", "sentence"),
    [
        ("step", 90e9, None, "too large is what the step makes; --largest-batch says"),
        ("step", 90e9, 1200, "too large is what the step makes; a batch of 1,200 would fit"),
        ("step", 5e9, None, "too large is parameters, moments and resident data"),
        ("search", 90e9, None, "take more devices or a smaller --gallery"),
        ("evaluate", 90e9, None, "meanwhile; take a smaller --gallery"),
    ],
)
def test_a_program_that_does_not_fit_says_what_to_change(what, made, largest, sentence):
    row = {"what": what, "argument_bytes": 78e9, "temporary_bytes": made, "devices": 8}
    row |= {"device": "h100", "memory_of_device": 80e9, "largest_batch": largest}
    assert sentence in planning._too_much(row)


def test_the_last_line_of_an_error_in_another_process_is_the_error():
    """JAX writes remarks of its own below what failed where it hides its frames."""
    with pytest.raises(UserError, match=r"^one device: TypeError: .*shape .*-1"):
        in_process("jax.numpy", "zeros", {"shape": [-1]}, {"JAX_PLATFORMS": "cpu"}, "one device")


@pytest.mark.parametrize(("individuals", "whole"), [(120, False), (121, True)])
def test_class_centers_that_devices_cannot_divide_are_said_to_be_whole(individuals, whole):
    config = configurations.get("throughput_resnet18")
    config = with_values(config, {"data.image_size": 32, "data.batch_size": 32})
    experiment = question_named("EmbeddingConfig").imagined(config, individuals, 480)
    made = programs.step(experiment, config, make_layout("mesh", 4), 32)
    assert ("class centres are whole on each device, as 4 do not" in made.note) == whole
