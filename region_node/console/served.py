"""The console that a node serves."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.process.files import FileUnusable
from gateway.time.clock import SteadyClock
from region_node.node.settings import RegionSettings

if TYPE_CHECKING:
    from gateway.web.console.pages import WebConsole

_KEY_BYTES = 32


def consoles(settings: RegionSettings, clock: SteadyClock) -> "Sequence[WebConsole]":
    """The console that the settings open: none unless they say so. Raises FileUnusable for the key of documents."""
    if settings.web is None or not settings.web.console:
        return ()
    # It needs an HTTP server and templates, large imports that other nodes do without.
    from region_node.console.console import console  # noqa: PLC0415

    return (console(settings.region, clock, document_key(settings.web.document_key)),)


def document_key(path: Path | None) -> bytes | None:
    """The key of the hashes of papers in a file; None without one. Raises FileUnusable."""
    if path is None:
        return None
    try:
        key = path.read_bytes()
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {error.strerror}") from None
    if len(key) != _KEY_BYTES:
        raise FileUnusable(f"{path} has {len(key)} bytes; a key of documents has {_KEY_BYTES}")
    return key
