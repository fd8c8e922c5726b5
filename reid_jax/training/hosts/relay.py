"""Bytes passed on from a local port to another machine, whose end is not passed on.

JAX ends a process by a native abort, with its stack, as soon as its connection to the first process
is lost. Through a relay it does not see that; `company.Company` sees it, and says what happened.
"""

import contextlib
import socket
import threading
import time

_PATIENCE = 60.0  # seconds until the other side listens
_BYTES = 2**16


def relay(address: tuple[str, int]) -> int:
    """Listens on a free port of this machine alone, for as long as this process lives.

    Returns:
      the port; what connects to it talks to `address`.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            here, _ = listener.accept()
            threading.Thread(target=_connect, args=(here, address), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])


def _connect(here: socket.socket, address: tuple[str, int]) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            there = socket.create_connection(address, timeout=5)
            break
        except OSError:
            if time.monotonic() > end:
                here.close()
                return
            time.sleep(0.05)
    there.settimeout(None)
    for each in (here, there):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=_pass_on, args=(there, here), daemon=True).start()
    _pass_on(here, there)
    there.close()  # only the near end's end is passed on


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_BYTES):
            target.sendall(data)
