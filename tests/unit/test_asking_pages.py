"""Commands that ask for the pages of a list."""

from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar, cast

import grpc

from gateway.api.region.v1.approval_service_pb2 import Approval, ListApprovalsRequest, ListApprovalsResponse
from gateway.api.region.v1.approval_service_pb2_grpc import ApprovalServiceStub
from gateway.cli.asking import Asking

T = TypeVar("T")
A = TypeVar("A")
PAGES = {"": ("3", "2"), "2": ("2", "1"), "1": ("1", "")}


class Node:
    """A node with three pages of one approval each."""

    prints_defaults = False

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask(self, question: Callable[[grpc.aio.Channel], Awaitable[T]], request_id: str = "") -> NoReturn:
        raise NotImplementedError

    def call(self, rpc: object, request: object, seconds: float | None, request_id: str) -> A:  # type: ignore[type-var]
        token = cast(ListApprovalsRequest, request).page_token
        self.asked.append(token)
        number, following = PAGES[token]
        return cast(A, ListApprovalsResponse(approvals=[Approval(id=number)], next_page_token=following))


def asked_until(wanted: str) -> tuple[list[str], list[str]]:
    """The ids that are read until one is found, and the pages that the node was asked for."""
    node, read = Node(), list[str]()
    asking = Asking(node, None, "", "", 0, as_json=False)
    for page in asking.ask_pages(lambda channel: ApprovalServiceStub(channel).ListApprovals, ListApprovalsRequest()):
        read += [each.id for each in page.approvals]
        if wanted in read:
            break
    return read, node.asked


def test_no_page_is_asked_for_behind_the_one_that_has_what_is_sought() -> None:
    assert asked_until("2") == (["3", "2"], ["", "2"])
    assert asked_until("0") == (["3", "2", "1"], ["", "2", "1"])
