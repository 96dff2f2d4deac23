"""Notifications between processes on the same database about their commits."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import NoReturn

import psycopg

from gateway.store.postgresql_connecting import Servers

CHANNEL = "crossregion"
PAYLOAD_BYTES = 7000  # PostgreSQL takes less than 8000 in one notification
_LOOK_AGAIN = 1.0  # seconds between attempts to listen at a server that is away
_log = logging.getLogger(__name__)


def payloads(number: int, subjects: Iterable[str]) -> list[str]:
    """The texts by which a process notifies the others, as few as possible: its number, then a subject a line."""
    texts: list[str] = []
    lines, size = [str(number)], len(str(number))
    for subject in dict.fromkeys(subjects):
        length = len(subject.encode()) + 1
        if size + length > PAYLOAD_BYTES:
            texts.append("\n".join(lines))
            lines, size = [str(number)], len(str(number))
        lines.append(subject)
        size += length
    return [*texts, "\n".join(lines)] if len(lines) > 1 else texts


async def listen(servers: Servers, number: int, tell: Callable[[frozenset[str]], None]) -> NoReturn:
    """Calls `tell` with the subjects of others' commits, and with none whenever some may have been missed.

    Runs until it is cancelled.
    """
    told_away = False
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                servers.conninfo(), autocommit=True, application_name=f"crossregion-listener/{number}"
            ) as connection:
                await connection.execute(f"LISTEN {CHANNEL}".encode())
                told_away = False
                tell(frozenset())
                async for notification in connection.notifies():
                    sender, *subjects = notification.payload.split("\n")
                    if sender != str(number):
                        tell(frozenset(subjects))
        except psycopg.Error as failure:
            if not told_away:
                _log.warning("what other processes commit is not heard of: %s", failure)
            told_away = True
        await asyncio.sleep(_LOOK_AGAIN)
