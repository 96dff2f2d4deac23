"""The RPCs of the process, as a page of a console calls them."""

from collections.abc import Collection
from typing import cast

from google.protobuf.message import Message

from gateway.rpc.in_process import Arrival, InProcess
from gateway.security.peers import Caller
from gateway.web.console.pages import A, Calling, Rpc


class CallingInProcess(Calling):
    """The RPCs of one page, in the name of a caller."""

    def __init__(self, calls: InProcess, caller: Caller, rpcs: Collection[Rpc[Message]]) -> None:
        self._calls = calls
        self._caller = caller
        self._rpcs = rpcs

    async def ask(self, rpc: Rpc[A], request: Message) -> A:
        """See `Calling`."""
        assert rpc in self._rpcs, f"the page does not name {rpc.path}"

        async def read() -> Message:
            return request

        return cast("A", await self._calls.call(rpc.path, Arrival(self._caller, (), rpc.seconds, read)))
