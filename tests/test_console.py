"""What is said while work goes on: rates, the time left, and silence where it is asked for."""

import logging
import os
import pty
import subprocess
import sys
import time
import types
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax import console
from reid_jax.console import Bar, Rate, counting, duration, others_quiet


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets; nobody waits for it."""
    clock = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr(console, "time", types.SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@given(st.floats(0.01, 100), st.integers(2, 200), st.floats(0.1, 50))
def test_an_even_pace_is_found_however_often_one_looks(pace, looks, period):
    rate = Rate()
    for number in range(looks):
        rate.add(number * period, pace * number * period)
    assert rate.value == pytest.approx(pace)


def test_the_rate_is_that_of_the_last_minute_and_without_what_is_skipped():
    rate = Rate()
    assert rate.value == 0
    done = 0.0
    for second in range(300):
        rate.add(second, done)
        done += 10 if second < 150 else 2
    assert rate.value == pytest.approx(2)
    rate.skip(1000)
    rate.add(1300, done)
    assert rate.value == pytest.approx(2)
    rate.forget()
    assert rate.value == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (61.4, "0:01:01"), (7322, "2:02:02")]
)
def test_a_duration_in_hours_minutes_and_seconds(seconds, text):
    assert duration(seconds) == text


def test_without_a_terminal_there_is_a_line_every_ten_seconds(clock, capsys):
    with Bar("Reading photos", 1000, "photos") as bar:
        for number in range(1, 251):
            clock.now += 0.125
            bar.update(number)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0].endswith(" of 1,000  8.00 photos/s  0:01:55 left")


def test_the_time_left_counts_what_was_measured_and_not_what_was_begun(clock, capsys):
    """A device is handed work long before it has done it."""
    bar = Bar("step", 1000, "steps", left=lambda rate: 989 / rate, patience=0)
    bar.update(1)
    clock.now += 20
    bar.update(11)
    bar.update(200, "loss 1", measured=False)
    clock.now += 10
    bar.update(400, "loss 1", measured=False)
    assert capsys.readouterr().err.splitlines() == [
        "step: 11 of 1,000  0.50 steps/s  0:32:58 left",
        "step: 400 of 1,000  loss 1  0.50 steps/s  0:32:48 left",
    ]


def test_what_cannot_say_how_far_it_is_is_spoken_for(monkeypatch, capsys):
    monkeypatch.setattr(console, "_PERIOD", 0.02)
    bar = Bar("step", 9, "steps", left=lambda rate: 0.0, patience=0)
    bar.update(0, "compiling", measured=False)
    said = ""
    with bar.waiting():
        while said.count("\n") < 2:
            said += capsys.readouterr().err
    assert set(said.splitlines()) == {"step: 0 of 9  compiling  for 0:00:00"}


def test_what_is_worked_on_one_by_one_is_counted(clock, capsys):
    seen = []
    for item in counting("abcd", "scoring", "videos"):
        seen.append(item)
        clock.now += 12
    assert seen == list("abcd")
    assert capsys.readouterr().err.splitlines() == [
        "scoring: 1 of 4  0.08 videos/s  0:00:36 left",
        "scoring: 2 of 4  0.08 videos/s  0:00:24 left",
        "scoring: 3 of 4  0.08 videos/s  0:00:12 left",
    ]


def test_who_waits_is_told_for_how_long(clock, capsys, monkeypatch):
    monkeypatch.setattr(console, "_PERIOD", 0.01)
    with Bar("compiling", None) as bar, bar.waiting():
        clock.now += 75
        time.sleep(0.2)
    assert capsys.readouterr().err.splitlines()[0] == "compiling: for 0:01:15"


def test_quiet_and_what_runs_inside_of_another_say_nothing(clock, capsys):
    console.be_quiet(True)
    try:
        console.say("a remark")
        with Bar("Reading", None) as bar:
            clock.now += 60
            bar.update(3)
    finally:
        console.be_quiet(False)
    assert capsys.readouterr() == ("", "")
    console.say("a remark")
    assert capsys.readouterr().out == "a remark\n"


def test_on_a_terminal_a_bar_shows_the_rate_and_what_is_printed_keeps_to_stdout():
    program = (
        "import time\nfrom reid_jax.console import Bar\n"
        "with Bar('Reading', 40, 'photos', patience=0.1) as bar:\n"
        "    for n in range(1, 41):\n"
        "        time.sleep(0.02); bar.update(n)\n"
        "    print('a result')\n"
    )
    outer, inner = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=inner,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
    )
    shown = os.read(outer, 100_000).decode()
    assert done.stdout == b"a result\n"
    assert "photos/s" in shown
    assert "left" in shown


def test_one_is_no_plural():
    assert console.counted(1, "photo") == "1 photo"
    assert console.counted(0, "photo") == "0 photos"
    assert console.counted(2000, "of 3 is", "of 3 are") == "2,000 of 3 are"
    assert console.counted(1, "of 3 is", "of 3 are") == "1 of 3 is"


def test_libraries_are_quiet_while_asked_and_loud_again(capfd):
    log = logging.getLogger("huggingface_hub")
    with others_quiet():
        log.warning("page after page")
        warnings.warn("and more", stacklevel=1)
    assert capfd.readouterr() == ("", "")
    assert log.isEnabledFor(logging.WARNING)
