"""Users by hand: names, passwords, who is locked out, who is signed in."""

import io
import os
import stat

import pytest

from reid_jax.app.people import users as module
from reid_jax.app.people.users import NotSignedInError, User, Users
from reid_jax.errors import UserError
from tests.app.conftest import write_shown
from tests.app.signed_in import PASSWORD
from tests.doors import call


@pytest.fixture
def users(tmp_path):
    made = Users(tmp_path / "users.sqlite")
    assert not made.any()
    assert not (tmp_path / "users.sqlite").exists()
    made.add("Zoë Ann", "reviewer", PASSWORD)
    yield made
    made.close()


@pytest.fixture
def clock(monkeypatch):
    now = [1e9]
    monkeypatch.setattr(module.time, "time", lambda: now[0])
    return now


def test_a_user_signs_in_and_out(users, tmp_path):
    shown, session = users.sign_in(" zoe\u0308 ann ", PASSWORD)
    assert session.user == User("Zoë Ann", "reviewer")
    assert users.session(shown) == session
    other, _ = users.sign_in("Zoë Ann", f"{PASSWORD} ")
    users.sign_out(shown)
    assert users.session(shown) is None
    assert users.session(other) is not None
    for wrong in ("", "x", shown, other + "x", other[:-1]):
        assert users.session(wrong) is None
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not [word for word in (PASSWORD, shown, other) if word.encode() in written]
    assert b"$argon2id$" in written
    assert stat.S_IMODE(os.stat(tmp_path / "users.sqlite").st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "password", "sentence"),
    [
        ("zoË ann", PASSWORD, "There is a user"),
        ("", PASSWORD, "a line of 1 to 80"),
        ("a\nb", PASSWORD, "a line of 1 to 80"),
        ("a" * 81, PASSWORD, "a line of 1 to 80"),
        ("bob", "short", "10 to 1,000"),
        ("bob", "a" * 1001, "10 to 1,000"),
        ("bob", "tab\tin between", "10 to 1,000"),
        ("bob", "BOBBOBBOBBOB", "holds the name"),
    ],
)
def test_names_and_passwords_that_cannot_be(users, name, password, sentence):
    with pytest.raises(UserError, match=sentence):
        users.add(name, "reader", password)
    assert users.all() == [User("Zoë Ann", "reviewer")]


@pytest.mark.parametrize("name", ["Zoë Ann", "nobody of this name"])
def test_wrong_passwords_lock_a_name_out_for_longer_each_time(users, clock, name):
    """Five are free; then a minute, two, four: also the right one is refused meanwhile."""
    for _ in range(5):
        with pytest.raises(NotSignedInError, match="is wrong"):
            users.sign_in(name, "a wrong password")
    for minutes in (1, 2, 4):
        with pytest.raises(NotSignedInError, match=f"try again in {minutes} minute"):
            users.sign_in(name, PASSWORD)
        clock[0] += 60 * minutes
        with pytest.raises(NotSignedInError, match="is wrong"):
            users.sign_in(name, "a wrong password")
    users.add("Bob", "reader", PASSWORD)
    assert users.sign_in("Bob", PASSWORD)[1].user.name == "Bob"


def test_the_right_password_and_a_new_one_end_the_waiting(users, clock):
    for _ in range(4):
        with pytest.raises(NotSignedInError):
            users.sign_in("Zoë Ann", "a wrong password")
    users.sign_in("Zoë Ann", PASSWORD)
    for _ in range(5):
        with pytest.raises(NotSignedInError, match="is wrong"):
            users.sign_in("Zoë Ann", "a wrong password")
    users.set_password("Zoë Ann", "another password")
    users.sign_in("Zoë Ann", "another password")
    for _ in range(6):
        with pytest.raises(NotSignedInError):
            users.sign_in("Zoë Ann", PASSWORD)
    clock[0] -= 1e6  # set back: nobody waits for days
    users.sign_in("Zoë Ann", "another password")


def test_who_is_signed_in_is_so_no_longer(users, clock):
    users.add("Bob", "admin", PASSWORD)
    of_ann, of_bob = (users.sign_in(name, PASSWORD)[0] for name in ("Zoë Ann", "Bob"))
    users.set_password("Zoë Ann", "another password")
    assert users.session(of_ann) is None
    users.remove("BOB")
    assert users.session(of_bob) is None
    with pytest.raises(NotSignedInError):
        users.sign_in("Bob", PASSWORD)
    shown, _ = users.sign_in("Zoë Ann", "another password")
    for _ in range(20):  # who comes every sixth day stays, for ninety days
        assert users.session(shown) is not None or clock[0] > 1e9 + 90 * 86400
        clock[0] += 6 * 86400
    assert users.session(shown) is None
    shown, _ = users.sign_in("Zoë Ann", "another password")
    clock[0] += 8 * 86400
    assert users.session(shown) is None


def test_several_at_once_have_no_more_tries(users, clock):
    """What is counted is counted before it is known whether it is right."""
    from concurrent.futures import ThreadPoolExecutor

    def tried(number: int) -> str:
        try:
            users.sign_in("Zoë Ann", f"wrong password {number}")
        except NotSignedInError as error:
            return str(error)
        return "in"

    with ThreadPoolExecutor(12) as pool:
        said = list(pool.map(tried, range(12)))
    assert sum("is wrong" in each for each in said) == 5
    assert sum("Too many" in each for each in said) == 7


def test_a_damaged_or_newer_file_lets_nobody_in(tmp_path):
    (tmp_path / "users.sqlite").write_bytes(b"no database " * 100)
    with pytest.raises(UserError, match="cannot be used"):
        Users(tmp_path / "users.sqlite").any()


def test_the_command_adds_lists_and_removes(tmp_path, monkeypatch, capsys):
    write_shown(tmp_path / "gallery", tmp_path / "photos")

    def asked(*words: str, said: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(said))
        call("serve", "users", *words)
        return capsys.readouterr().out

    gallery = str(tmp_path / "gallery")
    assert asked("list", gallery) == ""
    assert asked("add", gallery, "Ann", "--role", "admin", said=f"{PASSWORD}\n")
    assert asked("add", gallery, "Bob", said=PASSWORD)
    assert asked("list", gallery) == "Ann\tadmin\nBob\treviewer\n"
    assert asked("password", str(tmp_path / "gallery.app"), "Bob", said="another password\n")
    assert Users(tmp_path / "gallery.app" / "users.sqlite").sign_in("Bob", "another password")
    assert asked("remove", gallery, "Bob")
    assert asked("list", gallery) == "Ann\tadmin\n"
    for words, said, sentence in (
        (("add", gallery, "Cy"), "short\n", "A password is a line of 10"),
        (("add", gallery, "Cy"), "", "A password is a line of 10"),
        (("add", gallery), PASSWORD, "Say whom to add"),
        (("remove", gallery, "Cy"), "", "There is no user Cy"),
        (("list", str(tmp_path / "photos")), "", "neither a gallery nor"),
    ):
        with pytest.raises(SystemExit):
            asked(*words, said=said)
        assert sentence in capsys.readouterr().err
