"""What goes on beside a block: again and again while it runs, and never after it."""

import threading
import time

import pytest

from reid_jax.meanwhile import every


def test_it_is_done_again_and_again_and_never_after_the_block():
    calls: list[int] = []
    twice = threading.Event()

    def work() -> None:
        calls.append(threading.get_ident())
        if len(calls) > 1:
            twice.set()

    with every(0.001, work):
        assert twice.wait(60)
    done = len(calls)
    time.sleep(0.05)
    assert len(calls) == done
    assert threading.get_ident() not in calls


def test_a_block_that_fails_ends_it_too():
    before = threading.active_count()
    with pytest.raises(ValueError, match="the block"), every(60, lambda: None):
        raise ValueError("the block")
    assert threading.active_count() == before
