"""The file of the scopes of operator systems: what it may hold, and what happens when it changes."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.api.region.v1.joint_order_pb2 import JointOrder
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.identity import parse
from gateway.store.port import Operation, Store
from gateway.time.clock import Clock
from region_node.business.joint.application import JointApplication
from region_node.node.context import RegionContext
from region_node.node.operator_scopes import DEFAULT_AMOUNT_A_DAY, OperatorScopes, ScopesUnusable
from region_node.requests.caller import Caller
from region_node.requests.changes import Changes
from region_node.requests.room import Room


def test_without_a_file_each_operator_system_may_do_everything() -> None:
    scopes = OperatorScopes()
    scopes.require_service("anybody", "OrderService")
    scopes.require_purpose("anybody", "any")


def test_an_operator_system_has_what_the_file_names(tmp_path: Path) -> None:
    file = tmp_path / "operators.toml"
    file.write_text('[app]\nservices = ["OrderService"]\nbusinesses = ["*"]\n')
    scopes = OperatorScopes(file)
    scopes.require_service("app", "OrderService")
    scopes.require_business("app", "SUSPEND")
    refused: list[Callable[[], None]] = [
        partial(scopes.require_service, "app", "BillingService"),
        partial(scopes.require_service, "crm", "OrderService"),
        partial(scopes.require_business, "crm", "SUSPEND"),
        partial(scopes.require_purpose, "app", "counter-service"),
    ]
    for each in refused:
        with pytest.raises(Refused) as caught:
            each()
        assert caught.value.reason == Reason.REASON_OPERATOR_SCOPE_MISSING


def test_staff_order_what_the_file_names_for_each_or_for_one_of_them_and_nothing_without_it(tmp_path: Path) -> None:
    file = tmp_path / "operators.toml"
    file.write_text('[app]\nbusinesses = ["*"]\n')
    scopes = OperatorScopes(file)
    with pytest.raises(Refused, match="OPERATOR_SCOPE_MISSING"):
        scopes.require_business("staff/app", "SUSPEND")
    of_li = 'businesses = ["PAY"]\npurposes = ["counter-service"]\namount_a_day = 5\n'
    file.write_text(f'["staff/*"]\nbusinesses = ["SUSPEND"]\n["staff/li"]\n{of_li}')
    scopes = OperatorScopes(file)
    scopes.require_business("staff/wang", "SUSPEND")
    scopes.require_business("staff/li", "PAY")
    scopes.require_purpose("staff/li", "counter-service")
    for name, purpose in (("staff/wang", "counter-service"), ("staff/li", "installation")):
        with pytest.raises(Refused, match="OPERATOR_SCOPE_MISSING"):
            scopes.require_purpose(name, purpose)
    for name, business in (("staff/wang", "PAY"), ("staff/li", "SUSPEND"), ("*", "SUSPEND")):
        with pytest.raises(Refused, match="OPERATOR_SCOPE_MISSING"):
            scopes.require_business(name, business)
    assert [scopes.amount_a_day(f"staff/{name}") for name in ("wang", "li")] == [DEFAULT_AMOUNT_A_DAY, 5]
    OperatorScopes().require_business("staff/wang", "PAY")


def test_staff_submit_the_joint_orders_that_the_file_names_for_them_and_no_other(tmp_path: Path) -> None:
    file, accepted = tmp_path / "operators.toml", JointOrder(id="sichuan/J20261001-1")
    file.write_text('["staff/*"]\nbusinesses = ["BB_MOVE"]\n["staff/li"]\nbusinesses = ["PAY"]\n')

    async def write(_: Operation[JointOrder]) -> JointOrder:
        return accepted

    store = cast("Store", SimpleNamespace(subscribe=lambda *_: None, write=write))
    context = cast("RegionContext", SimpleNamespace(region="sichuan", scopes=OperatorScopes(file)))
    room = cast("Room", SimpleNamespace(require=lambda *_, **__: None))
    clock = cast("Clock", SimpleNamespace(now=lambda: datetime.now(UTC)))
    application = JointApplication(context, store, clock, Changes(store), room)

    def submit(name: str, business: str) -> JointOrder:
        caller = Caller(parse(f"spiffe://demo.example/region/sichuan/staff/{name}", "demo.example"), "1", "")
        return asyncio.run(application.submit(caller, OrderRequest(business=business), []))

    assert submit("wang", "BB_MOVE") == accepted
    for name, business in (("wang", "LEASED_LINE"), ("li", "BB_MOVE")):
        with pytest.raises(Refused, match="OPERATOR_SCOPE_MISSING"):
            submit(name, business)


def test_the_scope_of_a_person_counts_however_the_name_is_typed(tmp_path: Path) -> None:
    file = tmp_path / "operators.toml"
    file.write_text('["staff/*"]\nbusinesses = ["*"]\n["staff/Li"]\n')
    for typed in ("li", "LI", "Li"):
        with pytest.raises(Refused, match="OPERATOR_SCOPE_MISSING"):
            OperatorScopes(file).require_business(f"staff/{typed}", "PAY")
    file.write_text('["staff/Li"]\n["staff/li"]\n')
    with pytest.raises(ScopesUnusable, match="two tables"):
        OperatorScopes(file)


def test_an_operator_system_takes_in_a_narrow_amount_a_day_unless_the_file_writes_another_one_out(
    tmp_path: Path,
) -> None:
    file = tmp_path / "operators.toml"
    file.write_text('[app]\n[shop]\namount_a_day = 500\n[bank]\namount_a_day = "unlimited"\n')
    scopes = OperatorScopes(file)
    expected = {"app": DEFAULT_AMOUNT_A_DAY, "shop": 500, "bank": None, "gone": 0}
    assert {each: scopes.amount_a_day(each) for each in expected} == expected
    assert scopes.amount_a_day("staff/wang") == 0, "staff who order by themselves are no exception"
    assert OperatorScopes().amount_a_day("app") is None, "without a file each operator system may do everything"


@pytest.mark.parametrize(
    "content",
    [
        "not TOML",
        "app = 1",
        "[app]\nservice = []",
        '[app]\nservices = "OrderService"',
        "[app]\nservices = [1]",
        '[app]\nservices = [""]',
        "[app]\namount_a_day = -1",
        "[app]\namount_a_day = true",
        '[app]\namount_a_day = "5"',
        '[app]\namount_a_day = ""',
        '["staff/*"]\nservices = ["*"]',
        '["staff/wang"]\nservices = ["AuditService", "OrderService"]',
        '["staff/wang"]\nclient_id = "0a1b"',
        b"\xff",
    ],
)
def test_a_file_of_another_form_is_not_used_and_named(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "operators.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ScopesUnusable, match=r"operators\.toml"):
        OperatorScopes(file)


def test_a_client_is_the_one_operator_system_whose_scope_names_it(tmp_path: Path) -> None:
    file = tmp_path / "operators.toml"
    file.write_text('[app]\nclient_id = "0a1b"\n[crm]\nclient_id = "both"\n[bank]\nclient_id = "both"\n[desk]\n')
    scopes = OperatorScopes(file)
    asked = ("0a1b", "app", "both", "desk", "", "unknown")
    assert [scopes.operator_of(each) for each in asked] == ["app", None, None, None, None, None]
    assert OperatorScopes().operator_of("desk") == "desk", "without scopes a client is what it is called"
