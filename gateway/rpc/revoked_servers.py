"""Servers whose certificate was revoked, as their clients see them: no call begins at one any more.

TLS has verified chain, end and name. gRPC for Python shows a client the certificate of its server in the diagnosis of
connections (channelz) alone, without those of issuers. So connections are looked at now and then.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence, Set
from typing import TypeAlias, cast
from urllib.parse import unquote

from cryptography import x509
from grpc._cython import cygrpc

from gateway.security.revocations import Revocations

INTERVAL = 2.0  # seconds between two looks
_log = logging.getLogger(__name__)

_Told: TypeAlias = Mapping[str, object]
Listener: TypeAlias = Callable[[Set[str]], None]


class RevokedServers:
    """The endpoints at which a server has shown a revoked certificate, and no other since. Used on one event loop."""

    def __init__(self) -> None:
        self.endpoints: Set[str] = frozenset()
        """Each as it was dialled, `host:port`."""
        self._listeners: list[Listener] = []
        self._shown: dict[int, x509.Certificate] = {}  # by connection: a connection keeps its certificate

    def on_look(self, listener: Listener) -> None:
        """Calls the listener after each look that has found such endpoints."""
        self._listeners.append(listener)

    def forget(self, listener: Listener) -> None:
        """Does not call the listener any more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def follow(self, revocations: Revocations, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Looks again and again, until it is cancelled."""
        while True:
            await self.look(revocations)
            await sleep(INTERVAL)

    async def look(self, revocations: Revocations) -> None:
        """Looks at the present connections of this process. Without a revocation list there is nothing to look for."""
        if not revocations.lists():
            return
        # Beside the event loop: of a hundred connections it takes tens of milliseconds.
        connections, self._shown = await asyncio.to_thread(_looked_at, self._shown)
        found, others = set[str](), set[str]()
        for each, shown in self._shown.items():
            (found if revocations.names(shown) else others).add(connections[each])
        found |= self.endpoints - others
        for endpoint in sorted(found - self.endpoints):
            _log.error("the certificate of the server at %s was revoked: it is not called", endpoint)
        for endpoint in sorted(self.endpoints - found):
            _log.info("the server at %s has another certificate: it is called again", endpoint)
        self.endpoints = found
        if found:
            for listener in list(self._listeners):
                listener(found)


def _looked_at(known: Mapping[int, x509.Certificate]) -> tuple[dict[int, str], dict[int, x509.Certificate]]:
    """The endpoint and the certificate of each present connection."""
    connections = dict(_connections())
    shown = {each: known.get(each) or _certificate(each) for each in connections}
    return connections, {each: certificate for each, certificate in shown.items() if certificate is not None}


def _connections() -> Iterator[tuple[int, str]]:
    """Each connection of a channel of this process, and the endpoint that was dialled."""
    start, is_last = 0, False
    while not is_last:
        page = _read(cygrpc.channelz_get_top_channels, start)
        channels = _list(page, "channel")
        is_last = bool(page.get("end")) or not channels
        for channel in channels:
            start = max(start, _id(_part(channel, "ref"), "channelId") + 1)
            endpoint = unquote(str(_part(channel, "data").get("target", "")).removeprefix("dns:///"))
            for subchannel in _list(channel, "subchannelRef"):
                told = _read(cygrpc.channelz_get_subchannel, _id(subchannel, "subchannelId"))
                for socket in _list(_part(told, "subchannel"), "socketRef"):
                    yield _id(socket, "socketId"), endpoint


def _certificate(connection: int) -> x509.Certificate | None:
    """The certificate that the server of a connection has shown; None for a connection that is gone or has no TLS."""
    tls = _part(_part(_part(_read(cygrpc.channelz_get_socket, connection), "socket"), "security"), "tls")
    shown = base64.b64decode(str(tls.get("remoteCertificate", "")))
    try:
        return x509.load_pem_x509_certificate(shown)
    except ValueError:
        return None


def _read(get: Callable[[int], bytes], number: int) -> _Told:
    """What is told of a channel, or a part of it; nothing of one that has gone meanwhile."""
    try:
        return cast("_Told", json.loads(get(number)))
    except ValueError:
        return {}


def _part(told: _Told, name: str) -> _Told:
    return cast("_Told", told.get(name, {}))


def _list(told: _Told, name: str) -> Sequence[_Told]:
    return cast("Sequence[_Told]", told.get(name, ()))


def _id(told: _Told, name: str) -> int:
    return int(str(told[name]))
