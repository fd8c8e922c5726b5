"""What a newcomer asks `reid-jax plan` for that cannot be is one sentence, before anything long."""

import sys

import pytest

from reid_jax.errors import UserError
from reid_jax.plan import compilers
from reid_jax.plan import plan as planning
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
