"""Where a server listens, and under which names others know it."""

import contextlib
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from reid_jax.errors import UserError

PORT = 8421


def is_loopback(host: str) -> bool:
    """Whether this machine alone reaches an address."""
    with contextlib.suppress(ValueError):
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    return False


def listen(host: str, port: int | None) -> socket.socket:
    """Listens on an address of this machine.

    Args:
      port: None for 8421, or another one where that is taken.

    Raises:
      UserError: the address is not one of this machine, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for attempt in (PORT, 0) if port is None else (port,):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, attempt))
            listening.listen(128)
        except OSError as error:
            listening.close()
            reason = error.strerror or str(error)
        else:
            return listening
    raise UserError(f"{host} port {port if port is not None else PORT}: {reason}; give --port.")


def in_url(host: str) -> str:
    """An address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True)
class Names:
    """The values of a request's header `Host` that are this server's.

    The page of another site that names this machine (DNS rebinding) has a name of its own, which is
    none of these. It has no number for a name, so that who listens everywhere has all numbers.

    Attributes:
      names: without port.
      port: on which it listens.
      whole: names with their port, or without where browsers leave it out.
      everywhere: whether it listens on all addresses of this machine.
    """

    names: frozenset[str]
    port: int
    whole: frozenset[str]
    everywhere: bool

    def __contains__(self, host: object) -> bool:
        if not isinstance(host, str):
            return False
        if host in self.whole:
            return True
        name, colon, port = host.rpartition(":")
        if not colon or port != str(self.port):
            return False
        return name in self.names or (self.everywhere and _is_number(name))


def _is_number(name: str) -> bool:
    inner = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        found = ipaddress.ip_address(inner)
    except ValueError:
        return False
    return (found.version == 6) == (inner != name)


def names_of(host: str, port: int, address: str) -> Names:
    """The names of a server that listens on a host and a port.

    Args:
      address: by which a proxy before it is known, as https://photos.example.org; "" for none.
    """
    everywhere = not is_loopback(host) and host in ("0.0.0.0", "::")  # noqa: S104
    names = {in_url(host), "localhost", "127.0.0.1", "[::1]"}
    if everywhere:
        names |= {socket.gethostname().lower(), f"{socket.gethostname().lower()}.local"}
    whole = set(names) if port == 80 else set()
    if address:
        whole.add(urlsplit(address).netloc.lower())
    return Names(frozenset(names), port, frozenset(whole), everywhere)


def check_address(address: str) -> None:
    """Makes sure that an address of a proxy is one.

    Raises:
      UserError: it is something else.
    """
    try:
        parts = urlsplit(address)
        odd = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
        odd = odd or bool(parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    except ValueError:
        odd = True
    if odd:
        raise UserError(f"--address {address} is none; write https://photos.example.org.")
