"""Commands that call a node: their common options, and their exit codes in the help."""

from collections.abc import Callable
from typing import Concatenate, TypeVar

import click
from google.protobuf.message import Message

from gateway.cli import asking
from gateway.cli.asking import Commands, Option, exit_codes, request_option
from region_node.cli.connection import Stream, Target, connection_options

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)
Asking = asking.Asking[Target]
Verb = Callable[[Callable[Concatenate[Asking, ...], None]], Callable[..., None]]

json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer of the node as JSON.")
NODE = Commands[Target](connection_options, connects_first=True, json=json_option)
_REFUSED = "refused; the text says why"
_UNUSABLE = "the command line or the credentials cannot be used"


def reads(*options: Option, done: str = "shown") -> Verb:
    """A command that changes nothing. `done` is the meaning of exit code 0."""
    node_away = "the node cannot be reached, or cannot answer just now"
    return NODE.asking(*options, exits=exit_codes(done, _REFUSED, _UNUSABLE, node_away))


def writes(*options: Option, done: str = "done") -> Verb:
    """A command that is done once by the id of its request."""
    again = "not known: run it again with the request id that is told"
    return NODE.asking(*options, request_option, exits=exit_codes(done, _REFUSED, _UNUSABLE, again))


def repeats(*options: Option, done: str = "done", with_json: bool = True) -> Verb:
    """A command whose repetition changes nothing more."""
    exits = exit_codes(done, _REFUSED, _UNUSABLE, "not known: run it again")
    return NODE.asking(*options, exits=exits, with_json=with_json)


def watch(asking: Asking, rpc: "Stream[Q, A]", request: Q, show: Callable[[A], None]) -> None:
    """Prints each message of a stream as it comes, until interrupted. See Target."""
    asking.link.follow(rpc, asking.filled(request), lambda answer: asking.tell(answer, show))
