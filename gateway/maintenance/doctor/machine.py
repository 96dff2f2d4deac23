"""The machine of a process: its data directory, its disk, and its port."""

import errno
import shutil
import socket
from pathlib import Path

from gateway.maintenance.doctor.findings import Finding, bad, good, warning
from gateway.process.files import existing, require_writable
from gateway.store.sqlite import WATERMARK_BYTES
from gateway.values.sizes import MIB
from gateway.wording.languages import enumerated, translated

_PLENTY = 4  # times the watermark: less is a warning
_ALL_BUT_OWNER = 0o077


def check_data(directory: Path) -> list[Finding]:
    """Whether the directory can be written, is closed to others, and lies on a disk with room."""
    place = existing(directory)
    try:
        require_writable(place)
        findings = [
            _privacy(directory)
            if place == directory
            else good(translated("data"), translated("{directory}: `serve` makes it", directory=directory))
        ]
    except OSError as error:
        found = translated("{place}: nothing can be written: {problem}", place=place, problem=error.strerror)
        findings = [
            bad(
                translated("data"),
                found,
                translated("let the user that the process runs as own it, or name another directory"),
            )
        ]
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return [
            *findings,
            bad(translated("disk"), f"{place}: {error.strerror}", translated("name a directory that can be reached")),
        ]
    return [*findings, _room(place, free)]


def _privacy(directory: Path) -> Finding:
    files = [path for path in (directory, *sorted(directory.iterdir())) if _is_open(path)]
    if files:
        names = enumerated(str(path) for path in files)
        return warning(
            translated("data"), translated("others may read {names}", names=names), f"chmod -R go= {directory}"
        )
    return good(translated("data"), translated("{directory}: can be written, closed to others", directory=directory))


def _is_open(path: Path) -> bool:
    """Whether others may read a directory, or a database, which holds personal data."""
    is_private = path.is_dir() or ".sqlite" in path.name or ".db" in path.name
    try:
        return is_private and bool(path.stat().st_mode & _ALL_BUT_OWNER)
    except FileNotFoundError:  # a process that closes its database takes files away
        return False


def _room(place: Path, free: int) -> Finding:
    found = translated("{free} MiB are free at {place}", free=free // MIB, place=place)
    least = WATERMARK_BYTES // MIB
    if free <= WATERMARK_BYTES:
        return bad(
            translated("disk"), found, translated("make room: below {least} MiB no new work is accepted", least=least)
        )
    if free <= _PLENTY * WATERMARK_BYTES:
        return warning(
            translated("disk"),
            found,
            translated("make room soon: below {least} MiB no new work is accepted", least=least),
        )
    return good(translated("disk"), found)


class PortTaken(Exception):
    """Another process listens on the port."""


def try_port(listen: str) -> str:
    """Listens on `host:port` for a moment, as the process will, and describes the result.

    Raises PortTaken, or OSError where this machine cannot listen there.
    """
    host, _, port = listen.rpartition(":")
    if port == "0":
        return translated("{listen}: any free port is taken", listen=listen)
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise OSError(error.errno, translated("the host is not known: {problem}", problem=error.strerror)) from error
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken from None
            raise
    return translated("{listen}: free", listen=listen)
