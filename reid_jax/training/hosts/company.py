"""Processes that do one thing together: none goes on alone, and what ends one ends all.

A star of connections around the first process, beside those of JAX. Over it they tell each other
values of a few bytes, and errors; a process that dies is known by its connection, at once when the
system closes it, after half a minute when its machine is gone.
"""

import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from reid_jax.errors import UserError
from reid_jax.training.hosts.coordinator import Meeting
from reid_jax.training.hosts.link import Link

PATIENCE = 300.0  # seconds to wait for processes that have not come
_NOTICE = 10.0  # seconds until it is said who is waited for
_GRACE = 2.0  # seconds that processes have to hear of an end
_HELLO = 10.0  # seconds for what connects to say who it is

Say = Callable[[str], None]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _end(sentence: str) -> NoReturn:
    """Ends this process with no wait for what native threads are doing."""
    sys.stdout.flush()
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h")  # a progress bar hides the cursor
    _say(f"error: {sentence}")
    os._exit(1)


class Company:
    """This process's part in it.

    Attributes:
      index, count: which of how many processes this is.
      port: a port on the first process's machine that was free for JAX.
      epilogue: what is said behind an end, such as what was saved.
      undo: called before this process is ended.
      copies: whether each machine has its own copy of the run folder.
      names: of each process, "process 1 on HOST"; known when all are there.
    """

    def __init__(
        self, where: Meeting, token: str, *, say: Say = _say, end: Callable[[str], Any] = _end
    ):
        self.index, self.count, self.port = where.index, where.count, 0
        self.epilogue: Callable[[], str] = str
        self.undo: Callable[[], object] = str
        self.copies = False
        self._where, self._token, self._say, self._exit = where, token, say, end
        self.name = f"process {where.index} on {socket.gethostname()}"
        self.names: list[str] = []
        self._links: dict[int, Link] = {}  # of the first, to each other; of another, to the first
        self._come: dict[int, str] = {where.index: self.name}
        self._put: list[deque[tuple[str, Any]]] = [deque() for _ in range(where.count)]
        self._got: deque[list[Any]] = deque()
        self._changed = threading.Condition()
        self._leaving = self._ended = False

    def meet(self, patience: float = PATIENCE) -> None:
        """Returns when all processes are there.

        Raises:
          UserError: the address cannot be used or reached, or somebody does not come in time.
        """
        if self.index == 0:
            self._receive(patience)
        else:
            self._go(patience)

    def gather(self, topic: str, value: Any) -> list[Any]:
        """What each process gave (JSON), in their order. All must ask, about the same topic."""
        if self.index:
            self._links[0].send({"put": [topic, value]})
            with self._changed:
                self._changed.wait_for(lambda: self._got)
                return self._got.popleft()
        with self._changed:
            self._put[0].append((topic, value))
            self._wait_for(lambda: [i for i, put in enumerate(self._put) if not put], topic)
            puts = [put.popleft() for put in self._put]
        for index, (other, _) in enumerate(puts):
            if other != topic:
                self.end(f"{self.names[index]} has come to {other!r}, {self.name} to {topic!r}")
        values = [value for _, value in puts]
        if topic == LAST:
            self._leaving = True
        self._tell_all({"all": [topic, values]})
        return values

    def leave(self) -> None:
        """Waits until all have done their work; then each may end as it likes."""
        if not self._leaving:
            self.gather(LAST, None)

    @property
    def left(self) -> bool:
        """Whether it was left: what happens to this process is no other's affair."""
        return self._leaving

    def fail(self, reason: str, *, sure: bool = True, details: str = "") -> None:
        """Ends all because of an error here.

        Args:
          reason: a sentence.
          sure: that it is not because another process ended; else that one has time to say so.
          details: what is printed before, here alone.
        """
        if not sure:
            time.sleep(2 * _GRACE)
        if details:
            self._say(details)
        self.end(f"{self.name}: {reason}")

    def end(self, sentence: str) -> None:
        """Ends all processes with one sentence. Does not return, but in tests."""
        if self.index:
            self._links[0].send({"error": sentence})
            time.sleep(_GRACE)  # the first one's answer ends this process
            self._finish(sentence)
            return
        sentence = self._with_epilogue(sentence)
        with self._changed:
            self._ended, first = True, not self._ended
            links = list(self._links.values())
        if first:
            self._tell_all({"end": sentence})
            self._let_go(links)
            self.undo()
            self._exit(sentence)
        else:
            time.sleep(2 * _GRACE)  # the thread that was quicker ends this process

    def _with_epilogue(self, sentence: str) -> str:
        rest = self.epilogue()
        return f"{sentence.rstrip('.')}; {rest}." if rest and rest not in sentence else sentence

    def _let_go(self, links: list[Link]) -> None:
        """Lets the others end before the first does, with whom JAX would end them less kindly."""
        end = time.monotonic() + _GRACE
        while time.monotonic() < end and any(link in self._links.values() for link in links):
            time.sleep(0.02)

    def _finish(self, sentence: str) -> None:
        with self._changed:
            self._ended, first = True, not self._ended
        if first:
            self.undo()
            self._exit(sentence)

    def _wait_for(self, missing: Callable[[], list[int]], topic: str) -> None:
        """Waits, holding the condition, until nobody is missing; says who is."""
        noticed = False
        while absent := missing():
            if not self._changed.wait(_NOTICE) and not noticed:
                self._say(f"waiting for {_listed([self.names[i] for i in absent])}: {topic}")
                noticed = True

    def _tell_all(self, message: dict[str, Any]) -> None:
        for link in list(self._links.values()):
            link.send(message)

    # The first process.

    def _receive(self, patience: float) -> None:
        self.port = _free_port()
        if self.count == 1:
            self.names = [self.name]
            return
        listener = self._listen()
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        end = time.monotonic() + patience
        with self._changed:
            noticed = False
            while len(self._come) < self.count:
                waited = self._changed.wait(min(_NOTICE, max(end - time.monotonic(), 0.01)))
                absent = [i for i in range(self.count) if i not in self._come]
                who = f"{'process' if len(absent) == 1 else 'processes'} {_listed(absent)}"
                if absent and time.monotonic() >= end:
                    break
                if not waited and not noticed:
                    noticed = True
                    self._say(f"waiting at {self._where.address} for {who} of {self.count}")
            if len(self._come) < self.count:
                sentence = (
                    f"{who} of {self.count} did not come to {self._where.address} within "
                    f"{patience:.0f} s; were they started, with this coordinator?"
                )
            else:
                sentence = ""
                self.names = [self._come[index] for index in range(self.count)]
        if sentence:
            self._tell_all({"end": sentence})
            raise UserError(sentence[0].upper() + sentence[1:])
        self._tell_all({"welcome": {"names": self.names, "port": self.port}})

    def _listen(self) -> socket.socket:
        host, port = self._where.host, self._where.port
        try:
            if host in ("127.0.0.1", "::1", "localhost"):
                return socket.create_server(("127.0.0.1" if host == "localhost" else host, port))
            if socket.has_dualstack_ipv6():
                return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
            return socket.create_server(("", port))
        except OSError as error:
            raise UserError(
                f"The first process cannot listen at port {port} ({error.strerror}); is another "
                "one number 0, or another run there? Another port for the coordinator may be free."
            ) from error

    def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._greet, args=(connection,), daemon=True).start()

    def _greet(self, connection: socket.socket) -> None:
        connection.settimeout(_HELLO)
        link = Link(connection)
        hello = (link.receive() or {}).get("hello")
        connection.settimeout(None)
        if not isinstance(hello, dict) or not {"index", "count", "name", "token"} <= hello.keys():
            link.close()  # whatever it is, it is none of ours
            return
        index, name = hello["index"], hello["name"]
        if hello["token"] != self._token:
            theirs, ours = hello["token"], self._token
            sentence = f"{self._where.address} is where another run meets ({ours}, not {theirs})"
            self._say(f"{name} came from another run ({theirs}) and was sent away")
            link.send({"end": f"{sentence}; give the coordinator another port."})
            link.close()
            return
        with self._changed:
            there = self._come.get(index)
            complete = len(self._come) == self.count
            if there is None and hello["count"] == self.count:
                self._come[index], self._links[index] = name, link
                self._changed.notify_all()
        if hello["count"] != self.count:
            counts = f"{name} is one of {hello['count']}, {self.name} one of {self.count}"
            self._end_with(link, f"{counts}; JAX_NUM_PROCESSES must be the same")
        elif there is not None and complete:
            link.send({"end": f"{name} comes too late: {there} is there, and the run has begun."})
            link.close()
        elif there is not None:
            self._end_with(link, f"{name} and {there} have one number; each must have its own")
        else:
            self._attend(index, name, link)

    def _end_with(self, link: Link, sentence: str) -> None:
        """Ends all, and one that has not been let in."""
        link.send({"end": sentence})
        link.close()
        self.end(sentence)

    def _attend(self, index: int, name: str, link: Link) -> None:
        """Listens to one of the others, to its end."""
        while (message := link.receive()) is not None:
            if "error" in message:
                self.end(message["error"])
            elif "put" in message:
                with self._changed:
                    self._put[index].append((message["put"][0], message["put"][1]))
                    self._changed.notify_all()
        with self._changed:
            self._links.pop(index, None)
        if not (self._leaving or self._ended):
            self.end(_vanished(name))

    # The others.

    def _go(self, patience: float) -> None:
        link = self._reach(patience)
        self._links[0] = link
        hello = {"index": self.index, "count": self.count, "name": self.name, "token": self._token}
        link.send({"hello": hello})
        message = link.receive()
        if message is None:
            raise UserError(
                f"What answers at {self._where.address} ended, or is not the first process of this "
                "run; is the coordinator right?"
            )
        if "welcome" not in message:
            raise UserError(str(message.get("end", message)))
        self.names, self.port = message["welcome"]["names"], message["welcome"]["port"]
        threading.Thread(target=self._follow, daemon=True).start()

    def _reach(self, patience: float) -> Link:
        started, noticed = time.monotonic(), False
        while True:
            try:
                address = self._where.host, self._where.port
                connection = socket.create_connection(address, timeout=5)
                connection.settimeout(None)
                return Link(connection)
            except OSError as error:
                reason = error.strerror or str(error)
            waited = time.monotonic() - started
            if waited > patience:
                raise UserError(
                    f"The first process was not found at {self._where.address} within "
                    f"{patience:.0f} s ({reason}); was it started there, with this "
                    "coordinator?"
                )
            if waited > _NOTICE and not noticed:
                noticed = True
                self._say(
                    f"{self.name}: waiting for the first one at {self._where.address} ({reason})"
                )
            time.sleep(0.2)

    def _follow(self) -> None:
        while (message := self._links[0].receive()) is not None:
            if "end" in message:
                self._finish(message["end"])
            elif "all" in message:
                topic, values = message["all"]
                with self._changed:
                    self._leaving = self._leaving or topic == LAST
                    self._got.append(values)
                    self._changed.notify_all()
        if not (self._leaving or self._ended):
            self._finish(self._with_epilogue(_vanished(self.names[0])))


LAST = "the end"


def _vanished(name: str) -> str:
    return f"{name} ended without a word (killed, out of memory, or its machine is gone)."


def _listed(things: list[Any]) -> str:
    shown = [str(thing) for thing in things[:5]]
    more = [f"{len(things) - 5} more"] if len(things) > 5 else []
    return ", ".join(shown + more)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
