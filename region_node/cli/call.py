"""`region-node call`: any operator RPC from the shell, with JSON."""

import asyncio
import sys
from pathlib import Path

import click
import grpc
from click.shell_completion import CompletionItem
from google.protobuf import json_format
from google.protobuf.message import Message

from gateway.cli.exits import leave
from gateway.values.json_messages import json_of, message_of
from gateway.wording.languages import enumerated, offering, translated
from region_node.cli.connection import Target, connection_options
from region_node.cli.methods import Method, operator_methods
from region_node.cli.outcome import Failure, Teller

_DEFAULT_TIMEOUT = 35.0  # seconds: more than the longest `wait` of a request


def _print_list(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    methods = operator_methods()
    width = max(map(len, methods))
    for name, method in methods.items():
        click.echo(f"{name:<{width}}  {method.summary}")
    context.exit()


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=method.summary)
        for name, method in operator_methods().items()
        if name.startswith(incomplete) and not method.takes_stream
    ]


@click.command()
@click.argument("method", metavar="SERVICE.METHOD", shell_complete=_complete)
@click.option("--json", "content", default="{}", metavar="TEXT|@FILE|-", help="The request as JSON; - reads it.")
@connection_options
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    help=f"Seconds to wait for the answer; {_DEFAULT_TIMEOUT:.0f} unless given. A watch ends after it; "
    "without it, with Ctrl-C.",
)
@click.option(
    "--list", is_flag=True, expose_value=False, is_eager=True, callback=_print_list, help="List the methods and leave."
)
def call(target: Target, method: str, content: str, timeout: float | None) -> None:
    """Call SERVICE.METHOD of a region node and print the answer as JSON.

    The names of fields are those of the contract. A watch prints one JSON object a line. An operator system says
    in `requester` who asks, except of the CatalogueService; members of staff are named by their certificate.

    \b
    Examples:
      region-node call --list
      region-node call OrderService.GetOrder --json \\
        '{"order_id": "...", "requester": {"staff_id": "4711", "channel": "CHANNEL_COUNTER"}}'
      region-node call OrderService.SubmitOrder --json @order.json --lang zh
      echo '{"business": "SUSPEND"}' | region-node call CatalogueService.GetBusinessGuide --json -
      region-node call OrderService.WatchOrders --json @who-asks.json | jq .order.state

    \b
    Exit codes:
      0  done
      1  refused; the text says why, with the reason of the contract
      2  the command line, the JSON or the credentials cannot be used; nothing was sent
      3  not known whether it was done; the text says how to ask again
    """
    found = _method(method)
    if found.takes_stream:
        raise click.UsageError(
            translated(
                "{method} takes a stream of requests, which this command does not send: {instead}",
                method=found.name,
                instead=_instead_of(found),
            )
        )
    request = _request(found, content)
    teller = Teller(target.server, found, request)
    try:
        failure = asyncio.run(_Session(target, found, teller).run(request, timeout))
    except KeyboardInterrupt:
        # Ctrl-C is how a person ends a watch; of anything else it leaves the outcome open.
        failure = None if found.streams else teller.interrupted()
    if failure is not None:
        leave(failure.text, failure.exit_code)


def _method(name: str) -> Method:
    methods = operator_methods()
    if name not in methods:
        told = translated("There is no method {name}. `region-node call --list` lists them.", name=name)
        raise click.UsageError(offering(told, name, methods))
    return methods[name]


def _instead_of(method: Method) -> str:
    """The shell alternative for a method whose requests are a stream."""
    if method.command:
        return translated("use `{command}`.", command=method.command)
    return translated("call the method for one of them, once for each.")


def _request(method: Method, content: str) -> Message:
    """The request from the JSON text, `@FILE` or standard input (`-`)."""
    wanted = method.descriptor.input_type
    try:
        if content == "-":
            content = sys.stdin.buffer.read().decode()
        elif content.startswith("@"):
            content = Path(content[1:]).read_text(encoding="utf-8")
        told = json_of(content)
        if not isinstance(told, dict):
            raise json_format.ParseError(translated("it is not an object"))
        return message_of(told, method.request())
    except OSError as error:
        raise click.UsageError(f"{content[1:]}: {error.strerror}") from error
    except (json_format.ParseError, ValueError) as error:
        problem, fields = str(error).partition("\n")[0], enumerated(field.name for field in wanted.fields)
        told = translated("The JSON is not a {name}: {problem}", name=wanted.name, problem=problem)
        known = translated("Its fields are: {fields}.", fields=fields or translated("none"))
        raise click.UsageError(f"{told}\n{known}") from error


class _Session:
    """A call on its own channel."""

    def __init__(self, target: Target, method: Method, teller: Teller) -> None:
        self._target = target
        self._method = method
        self._teller = teller

    async def run(self, request: Message, timeout: float | None) -> Failure | None:
        """Calls and prints; None where all went well."""
        async with self._target.channel() as channel:
            if self._method.streams:
                return await self._print_stream(channel, request, timeout)
            return await self._print_answer(channel, request, timeout or _DEFAULT_TIMEOUT)

    async def _print_answer(self, channel: grpc.aio.Channel, request: Message, timeout: float) -> Failure | None:
        rpc = channel.unary_unary(self._method.path, _written, self._method.response.FromString)
        try:
            click.echo(_json(await rpc(request, timeout=timeout), indent=2))
        except grpc.aio.AioRpcError as error:
            return self._teller.failed(error)
        return None

    async def _print_stream(self, channel: grpc.aio.Channel, request: Message, timeout: float | None) -> Failure | None:
        rpc = channel.unary_stream(self._method.path, _written, self._method.response.FromString)
        token = ""
        try:
            async for message in rpc(request, timeout=timeout):
                click.echo(_json(message, indent=None))
                token = getattr(message, "token", "")
        except grpc.aio.AioRpcError as error:
            if token and timeout and error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                return None
            return self._teller.failed(error, token)
        return None


def _written(message: Message) -> bytes:
    return message.SerializeToString()


def _json(message: Message, indent: int | None) -> str:
    return json_format.MessageToJson(message, preserving_proto_field_name=True, ensure_ascii=False, indent=indent)
