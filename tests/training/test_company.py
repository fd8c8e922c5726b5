"""Processes that do one thing together: they meet, exchange, and end together; here, threads."""

import json
import queue
import socket
import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest

from reid_jax.data.photos import load_dataset
from reid_jax.errors import UserError
from reid_jax.training import lock
from reid_jax.training.hosts import company as module
from reid_jax.training.hosts import join as multihost
from reid_jax.training.hosts.agreement import digest
from reid_jax.training.hosts.company import Company
from reid_jax.training.hosts.coordinator import Meeting, first_host, meeting
from reid_jax.training.hosts.join import difference
from reid_jax.training.hosts.relay import relay
from reid_jax.training.lock import only_trainer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Member(Company):
    """One that notes what it would have said and how it would have ended."""

    def __init__(self, port: int, count: int, index: int, token: str = "run"):
        self.said: list[str] = []
        self.ends: queue.Queue[str] = queue.Queue()
        where = Meeting("127.0.0.1", port, count, index)
        super().__init__(where, token, say=self.said.append, end=self.ends.put)

    def vanish(self) -> None:
        """What the system does to the connections of a process that is killed."""
        self._ended = True  # nor does it say a word of what it sees of that itself
        for link in list(self._links.values()):
            link.close()


@pytest.fixture
def pool(monkeypatch):
    monkeypatch.setattr(module, "_GRACE", 0.3)
    monkeypatch.setattr(module, "_NOTICE", 0.2)
    return Pool()


class Pool:
    """Threads that a failing test leaves behind without waiting for them."""

    def submit(self, function, *arguments) -> Future:
        future: Future = Future()

        def run() -> None:
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future


def met(pool, count: int = 3) -> list[Member]:
    port = free_port()
    members = [Member(port, count, index) for index in range(count)]
    for arrival in [pool.submit(member.meet, 20) for member in members]:
        arrival.result()
    return members


def test_each_gets_what_all_gave_in_their_order(pool):
    members = met(pool)
    for topic in ("one", "two"):
        asked = [pool.submit(each.gather, topic, [topic, each.index]) for each in members[::-1]]
        expected = [[topic, index] for index in range(3)]
        assert [one.result() for one in asked] == [expected] * 3
    for leaving in [pool.submit(each.leave) for each in members]:
        leaving.result()
    members[0].vanish()  # after the last exchange an end is no death
    members[2].vanish()
    assert all(each.ends.empty() for each in members)


def test_who_is_late_is_named(pool):
    members = met(pool)
    asked = [pool.submit(each.gather, "photos", 0) for each in members[:2]]
    while f"waiting for {members[2].name}: photos" not in members[0].said:
        time.sleep(0.01)
    members[2].gather("photos", 0)
    assert all(one.result() == [0, 0, 0] for one in asked)


@pytest.mark.parametrize("dead", [0, 1])
def test_the_death_of_one_ends_all_with_its_name(pool, dead):
    members = met(pool)
    for each in members:
        each.epilogue = lambda: "the last whole checkpoint is that of step 7"
    members[dead].vanish()
    for each in members:
        if each.index != dead:
            sentence = each.ends.get(timeout=10)
            assert sentence.startswith(f"{members[dead].name} ended without a word")
            assert sentence.endswith("; the last whole checkpoint is that of step 7.")


@pytest.mark.parametrize("failing", [0, 2])
def test_an_error_in_one_ends_all_with_its_words(pool, failing):
    members = met(pool)
    members[failing].fail("the disk is full")
    for each in members:
        assert each.ends.get(timeout=10) == f"{members[failing].name}: the disk is full"


@pytest.mark.parametrize("begun", [True, False])
def test_a_new_run_folder_goes_with_a_refusal_in_another_process(
    pool, monkeypatch, tmp_path, begun
):
    members, run = met(pool, 2), tmp_path / "runs" / "new"
    monkeypatch.setattr(multihost, "_company", members[0])
    monkeypatch.setattr(lock, "gathered", lambda topic, value: [value])
    with only_trainer(run):
        if begun:
            (run / "config.json").touch()
        members[1].fail("no photos here")
        assert members[0].ends.get(timeout=10) == f"{members[1].name}: no photos here"
        assert run.exists() == run.parent.exists() == begun


def test_what_came_of_the_death_of_another_is_not_the_reason(pool):
    members = met(pool)
    failing = pool.submit(lambda: members[2].fail("reset by peer", sure=False, details="Trace"))
    members[1].vanish()
    assert members[2].ends.get(timeout=10).startswith(f"{members[1].name} ended without a word")
    failing.result()
    assert members[2].ends.empty()


def test_other_questions_are_an_end_not_a_wrong_answer(pool):
    members = met(pool, 2)
    asked = pool.submit(members[1].gather, "step 3", 0), pool.submit(members[0].gather, "end", 0)
    assert "has come to 'step 3'" in members[1].ends.get(timeout=10)
    for one in asked:
        one.result()


def test_nobody_comes(pool):
    alone = Member(free_port(), 4, 0)
    with pytest.raises(UserError, match=r"^Processes 1, 2, 3 of 4 did not come to 127.0.0.1:\d+"):
        alone.meet(0.5)
    assert {line.split(" for ")[1] for line in alone.said} == {"processes 1, 2, 3 of 4"}
    nobody = Member(free_port(), 2, 1)
    with pytest.raises(UserError, match=r"The first process was not found at .*refused"):
        nobody.meet(0.5)
    assert "waiting for the first one at 127.0.0.1" in nobody.said[0]


def test_a_taken_port_and_something_else_there_are_said(pool):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen at port {port}"):
            Member(port, 2, 0).meet(5)

        def answer() -> None:
            connection, _ = other.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        pool.submit(answer)
        with pytest.raises(UserError, match="is not the first process of this run"):
            Member(port, 2, 1).meet(5)


def test_one_number_twice_ends_all_and_another_run_is_sent_away(pool):
    port = free_port()
    first, one, same = (Member(port, 3, index) for index in (0, 1, 1))
    foreign = Member(port, 3, 2, token="another")
    waiting = [pool.submit(first.meet, 20), pool.submit(one.meet, 20)]
    with pytest.raises(UserError, match=r"where another run meets \(run, not another\)"):
        foreign.meet(20)
    assert any("sent away" in line for line in first.said)
    while 1 not in first._come:
        time.sleep(0.01)
    with pytest.raises(UserError, match="have one number; each must have its own"):
        same.meet(20)
    assert "have one number" in first.ends.get(timeout=10)
    with pytest.raises(UserError, match="have one number"):
        waiting[1].result()
    late = Member(port, 3, 2)  # lets the first one's thread end
    late.meet(20)
    waiting[0].result()
    with pytest.raises(UserError, match="comes too late"):
        Member(port, 3, 2).meet(20)


def test_what_is_no_process_at_all_does_no_harm(pool):
    port = free_port()
    first = Member(port, 2, 0)
    meeting = pool.submit(first.meet, 20)
    for junk in (b"GET / HTTP/1.1\r\n\r\n", b"[1]\n", json.dumps({"hello": 3}).encode() + b"\n"):
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", port))
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        with connection:
            connection.sendall(junk)
            assert connection.recv(10) == b""
    Member(port, 2, 1).meet(20)
    meeting.result()


def test_a_relay_passes_on_everything_but_the_end():
    with socket.create_server(("127.0.0.1", 0)) as far:
        near = socket.create_connection(("127.0.0.1", relay(far.getsockname())))
        there, _ = far.accept()
        near.sendall(b"to")
        assert there.recv(10) == b"to"
        there.sendall(b"fro")
        assert near.recv(10) == b"fro"
        there.close()
        near.settimeout(0.3)
        with pytest.raises(TimeoutError):
            near.recv(10)
    threading.Thread(target=near.close).start()


NUMBERS = {"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "1"}
STEP = {
    "SLURM_JOB_ID": "71",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NODELIST": "node[03-07,9],other",
    "SLURM_NTASKS": "5",
    "SLURM_PROCID": "4",
}


def test_an_address_is_read():
    assert meeting("node1:123", NUMBERS) == Meeting("node1", 123, 2, 1)
    assert meeting("[::1]:123", NUMBERS).address == "[::1]:123"
    assert meeting("auto", {}) is None


@pytest.mark.parametrize("wrong", ["node1", "node1:", ":123", "node1:x", "node1:0", "node1:65536"])
def test_what_is_no_address_is_refused(wrong):
    with pytest.raises(UserError, match="must be HOST:PORT"):
        meeting(wrong, NUMBERS)


@pytest.mark.parametrize(("count", "index"), [("2", "2"), ("2", "-1"), ("0", "0")])
def test_impossible_numbers_are_refused(count, index):
    with pytest.raises(UserError, match="a number of its own, from 0"):
        meeting("a:1", {"JAX_NUM_PROCESSES": count, "JAX_PROCESS_ID": index})


def test_two_steps_of_a_job_meet_at_two_ports():
    places = [meeting("auto", STEP | {"SLURM_STEP_ID": str(step)}) for step in range(3)]
    assert {place.host for place in places} == {"node03"}
    assert len({place.port for place in places}) == 3
    assert {(place.count, place.index) for place in places} == {(5, 4)}
    assert all(61_000 <= place.port < 2**16 for place in places)
    assert meeting("auto", STEP | {"JAX_COORDINATOR_PORT": "99"}).port == 99


def test_a_job_without_a_step_is_told_of_srun():
    batch = {name: value for name, value in STEP.items() if not name.startswith("SLURM_STEP")}
    with pytest.raises(UserError, match=r"job 71, but outside srun .*; start .* with srun"):
        meeting("auto", batch)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node1", "node1"),
        ("node1,node2", "node1"),
        ("node[001-015],host2", "node001"),
        ("node[001,007-015]", "node001"),
        ("a-[1,3]-ib,b7", "a-1-ib"),
    ],
)
def test_the_first_of_slurms_nodes(nodes, first):
    assert first_host(nodes) == first


def test_the_field_and_the_process_that_differ_are_named():
    names = ["process 0 on a", "process 1 on b", "process 2 on c"]
    same = {"seed": 0, "lr": 0.1}
    assert difference(names, [same] * 3) == ""
    found = difference(names, [same, same, {"seed": 1, "lr": 0.1}])
    assert found == "seed is 1 in process 2 on c, 0 in process 0 on a"
    many = {str(number): number for number in range(5)}
    assert difference(names[:2], [many, {}]).endswith("; and 2 more")


def test_digests_tell_sets_apart():
    dataset = load_dataset("synthetic:6x4", seed=0)
    fewer, shifted = dataset.paths[:-1], np.roll(dataset.labels, 1)
    assert digest(dataset.paths) == digest(dataset.paths.copy())
    assert digest(dataset.paths) != digest(fewer)
    assert digest(dataset.labels) != digest(shifted)
    assert digest(dataset.labels) != digest(dataset.labels.astype(np.int64))
    assert digest(np.asarray(["a\udcff"], object)) != digest(np.asarray(["a\udcfe"], object))
    assert digest(np.float32(1)) != digest(np.zeros(0, np.float32))
