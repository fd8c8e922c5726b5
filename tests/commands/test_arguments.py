"""Words become a function's arguments; what they name is looked at before it is worked on."""

import pytest

from reid_jax import configurations
from reid_jax.commands.arguments import flags_alone, with_flags
from reid_jax.training.config_file import claim_workdir
from tests import doors


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("RUN SOURCE --out F", "--workdir RUN --data SOURCE --out F"),
        ("--workdir RUN --data SOURCE", "--workdir RUN --data SOURCE"),
        ("SOURCE --workdir RUN", "--data SOURCE --workdir RUN"),
        ("RUN --data=SOURCE", "--workdir RUN --data=SOURCE"),
        ("--out F RUN SOURCE", "--out F --workdir RUN --data SOURCE"),
        ("--out=F RUN --again SOURCE", "--out=F --workdir RUN --again --data SOURCE"),
        ("RUN --out F SOURCE PHOTO", "--workdir RUN --out F --data SOURCE PHOTO"),
        ("RUN --path A B", "--workdir RUN --path A B"),
        ("--misspelt --out", "--misspelt --out"),
        ("--help", "--help"),
        ("", ""),
    ],
)
def test_what_is_worked_on_needs_no_flag(words, expected):
    def function(out: str, again: bool = False, path: tuple[str, ...] = ()) -> None: ...

    flagged = with_flags(words.split(), ("--workdir", "--data"), function)
    assert flagged == expected.split()


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("same-video a.mp4 b.mp4", "a.mp4 does not exist"),
        ("pairs installed:same-video --pairs x.csv", "x.csv cannot be read"),
    ],
)
def test_what_is_installed_needs_no_folder_of_a_run(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        doors.call(*words.split())
    assert said in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("words", "found", "needed"),
    [
        ("keyframes film.mp4 --run demo", "a network of photos", "a keyframe scorer"),
        ("score video_similarity x.h5 --out x.npz", "a similarity of videos", "a keyframe scorer"),
        ("same-video a.mp4 b.mp4 --run tvsum", "a keyframe scorer", "a similarity of videos"),
        ("pairs demo", "a network of photos", "a similarity of videos"),
        ("embed tvsum synthetic:2 --out x.npz", "a keyframe scorer", "a network of photos"),
        ("open-set tvsum", "a keyframe scorer", "a network of photos"),
        ("gallery build tvsum synthetic:2 --out x", "a keyframe scorer", "a network of photos"),
    ],
)
def test_a_run_of_another_kind_is_told_in_words(
    words, found, needed, tmp_path, monkeypatch, capsys
):
    for name in ("demo", "tvsum", "video_similarity"):
        claim_workdir(tmp_path / name, configurations.get(name))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as raised:
        doors.call(*words.split())
    assert raised.value.code == 1
    assert f" holds {found} where {needed} is needed; name another" in capsys.readouterr().err
