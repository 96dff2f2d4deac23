"""How the customer at hand proves to be the customer: a code that is sent, or the service password."""

import sys
from dataclasses import dataclass, field

import click
import grpc

from gateway.api.region.v1.verification_service_pb2 import SendCodeRequest, VerifyRequest
from gateway.api.region.v1.verification_service_pb2_grpc import VerificationServiceStub
from gateway.api.types.v1.types_pb2 import Document, Requester
from gateway.wording.languages import translated
from region_node.cli.asking import Asking

WAYS = ("code", "password")
_TIMEOUT = 30.0  # seconds for one answer


@dataclass(frozen=True)
class Proof:
    """The customer, and the means of verification."""

    number: str
    way: str
    request_id: str
    requester: Requester | None
    contact: str = field(default="", repr=False)
    """Another contact that gets the code; empty for the line."""


def proven(asking: Asking, number: str, way: str, contact: str = "") -> list[Document]:
    """The home region's verification of the customer for the request of a command."""
    proof = Proof(number, way, asking.request_id, asking.requester, contact)
    return asking.link.ask(lambda channel: prove(channel, proof), asking.request_id)


async def prove(channel: grpc.aio.Channel, proof: Proof) -> list[Document]:
    """The home region's verification for this request. Codes and passwords are prompted for and never shown.

    Raises AioRpcError.
    """
    stub = VerificationServiceStub(channel)
    request = VerifyRequest(request_id=proof.request_id, number=proof.number, requester=proof.requester)
    if proof.way == "code":
        sending = SendCodeRequest(
            request_id=proof.request_id, number=proof.number, requester=proof.requester, contact=proof.contact
        )
        sent = await stub.SendCode(sending, timeout=_TIMEOUT)
        click.echo(translated("A code was sent to {number}.", number=sent.masked_number), err=True)
        request.code = _said(translated("Code"))
    else:
        request.password = _said(translated("Service password"))
    return list((await stub.Verify(request, timeout=_TIMEOUT)).documents)


def _said(what: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    # Standard error, so that standard output has only the response.
    said: str = click.prompt(what, hide_input=True, err=True)
    return said.strip()
