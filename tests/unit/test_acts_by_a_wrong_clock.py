"""The border of a region: by a clock that is known to be wrong nobody does what is dated."""

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import timedelta

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from gateway.api.region import v1
from gateway.api.relay.v1 import relay_pb2
from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, reason_name
from gateway.rpc.access import AccessRules
from gateway.security.identity import Identity
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import SystemClock

REGION = "sichuan"
BY_ANY_CLOCK = {
    "ApprovalService/DecideApproval",
    "ApprovalService/SetOperatorScope",
    "RecoveryService/ConfirmClock",
    "RelayService/Deliver",
}


def methods() -> Iterator[MethodDescriptor]:
    """Those that a region serves."""
    found = (importlib.import_module(f"{v1.__name__}.{each.name}") for each in pkgutil.iter_modules(v1.__path__))
    for module in (*found, relay_pb2):
        if hasattr(module, "DESCRIPTOR"):
            for service in module.DESCRIPTOR.services_by_name.values():
                yield from service.methods


METHODS = list(methods())


def refused_by(clock: AgreedClock) -> dict[str, str]:
    """The reasons of refusals, by the methods."""
    rules = AccessRules({each.containing_service for each in METHODS}, REGION, require_clock=clock.require_trusted)
    refused = {}
    for each in METHODS:
        role = each.GetOptions().Extensions[access_pb2.allow][-1]
        region = "" if role == Role.ROLE_COORDINATOR else REGION
        try:
            rules.require_begun(
                Identity("demo.example", role, region, "" if role == Role.ROLE_REGION else "1"), _path(each)
            )
        except Refused as stopped:
            refused[_name(each)] = reason_name(stopped.reason)
    return refused


def _name(method: MethodDescriptor) -> str:
    return f"{method.containing_service.name}/{method.name}"


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def test_by_a_wrong_clock_the_border_lets_nobody_begin_an_act_but_those_that_set_a_region_right() -> None:
    clock = AgreedClock(SystemClock())
    clock.start_from(clock.wall() + timedelta(days=365))
    acts = {_name(each) for each in METHODS if each.GetOptions().idempotency_level != MethodOptions.NO_SIDE_EFFECTS}
    assert acts >= BY_ANY_CLOCK
    assert refused_by(clock) == dict.fromkeys(acts - BY_ANY_CLOCK, "CLOCK_UNTRUSTED")


def test_by_a_right_clock_the_border_lets_everybody_begin() -> None:
    assert not refused_by(AgreedClock(SystemClock()))
