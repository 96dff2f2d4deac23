"""Completion of options in a shell, by the names that a server knows."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import click
import grpc
from click.shell_completion import CompletionItem

from gateway.api.federation.v1.terms_pb2 import Terms
from gateway.cli.reachability import Server
from gateway.security.tls import CredentialsUnusable

SECONDS = 0.5  # for the response: with the start of the command, completion takes less than a second

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
"""The callback by which click completes a partly typed word."""
Ask = Callable[[grpc.aio.Channel], Awaitable[Iterable[str]]]
"""Fetches all names of one kind from a server."""
FindServer = Callable[[Mapping[str, object]], Server | None]
"""The server that the options and the environment name; None where they do not."""


@dataclass(frozen=True)
class TermsCompletions:
    """The completions of options with names of the federation."""

    regions: Complete
    categories: Complete
    causes: Complete


def completing(find: FindServer, ask: Ask) -> Complete:
    """Completes from the names on a server; with none without a configured server, or where it responds too late."""

    async def names(server: Server) -> Iterable[str]:
        async with asyncio.timeout(SECONDS), server.channel() as channel:
            return await ask(channel)

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            server = find(context.params)
            known = asyncio.run(names(server)) if server is not None else ()
        except (grpc.aio.AioRpcError, CredentialsUnusable, TimeoutError, ValueError):
            return []  # an error message would disturb the line that the user is typing
        return [CompletionItem(each) for each in sorted(set(known)) if each.startswith(incomplete)]

    return complete


def completing_terms(find: FindServer, terms: Callable[[grpc.aio.Channel], Awaitable[Terms]]) -> TermsCompletions:
    """Completes from the federation's terms, fetched by `terms`."""

    def by(names: Callable[[Terms], Iterable[str]]) -> Complete:
        async def ask(channel: grpc.aio.Channel) -> Iterable[str]:
            return names(await terms(channel))

        return completing(find, ask)

    return TermsCompletions(
        regions=by(lambda told: [each.region for each in told.regions]),
        categories=by(lambda told: [each.code for each in told.complaint_categories]),
        causes=by(lambda told: [each.code for each in told.resolution_causes]),
    )
