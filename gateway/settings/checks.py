"""Checks for the `__post_init__` of a settings page."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from urllib.parse import SplitResult, urlsplit

from gateway.wording.languages import enumerated, translated

_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", re.ASCII)
LOG_FORMATS = ("text", "json")
_HIGHEST_PORT = 65535
_HIGHEST_NUMBER = 99999
# Addresses on which a process may listen, but under which nobody reaches it.
_EVERY_INTERFACE = frozenset({"0.0.0.0", "[::]"})  # noqa: S104


def is_address(address: str, *, lowest_port: int = 1) -> bool:
    """Whether a text is `host:port` with a port from `lowest_port` up."""
    found = _ADDRESS.fullmatch(address)
    return found is not None and lowest_port <= int(found[1]) <= _HIGHEST_PORT


def require_address(key: str, address: str, *, lowest_port: int = 1) -> None:
    """Raises ValueError, naming the key, unless the value is `host:port` with a port from `lowest_port` up."""
    if not is_address(address, lowest_port=lowest_port):
        raise ValueError(translated("{key}: {address!r} is not host:port", key=key, address=address))


def web_address(address: str) -> SplitResult | None:
    """The parts of an address `scheme://host…` without a user, a password and a fragment; None for any other text."""
    try:
        url = urlsplit(address)
        is_named = bool(url.hostname) and url.port != 0 and not (url.username or url.password or url.fragment)
    except ValueError:
        return None
    return url if is_named and address.isascii() and not any(each <= " " for each in address) else None


def require_choice(key: str, value: str, choices: Sequence[str]) -> None:
    """Raises ValueError, naming the key, unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(translated("{key}: must be one of {choices}", key=key, choices=enumerated(choices)))


def require_number(number: int) -> None:
    """Raises ValueError unless processes of one database can have the number."""
    if not 0 <= number <= _HIGHEST_NUMBER:
        raise ValueError(translated("{key}: must be {least} to {most}", key="number", least=0, most=_HIGHEST_NUMBER))


@contextlib.contextmanager
def naming(key: str) -> Iterator[None]:
    """Puts the key before the text of a ValueError that is raised inside."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def on_every_interface(address: str) -> bool:
    """Whether `host:port` is an address to listen on, under which nobody can reach the process."""
    return host_of(address) in _EVERY_INTERFACE


def host_of(address: str) -> str:
    """The host of a `host:port`."""
    return address.rpartition(":")[0]
