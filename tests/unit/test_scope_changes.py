"""The scopes of operator systems in the database: one person narrows them, two widen them."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.api.region.v1.approval_service_pb2 import OperatorScope
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.time.clock import SystemClock
from region_node.approvals import rules
from region_node.approvals.operations import Awaited, Decision, decide
from region_node.approvals.rows import ApprovalRow
from region_node.approvals.scope_changes import changed, told_change, widens
from region_node.approvals.scopes import scopes_in_force, set_scope
from region_node.node.operator_scopes import ALL, ANY_STAFF, NAMED, NOTHING, OperatorScopes, Scope, ScopeFile
from region_node.node.stored_scopes import ScopeKeeper, message_of, read_scopes, scope_in, stored_rows, take_over
from region_node.requests.auditing import AuditedCall
from region_node.schema import PACKAGES
from tests.simulation.world import keys
from tests.unit.purging import NOW, Archive, archive

PATIENCE = 60.0  # seconds
EVERYTHING = frozenset({ALL})
COUNTER = Scope(
    services=frozenset({"OrderService", "CustomerService"}), businesses=frozenset({"SUSPEND"}), amount_a_day=500
)
KNOWN = {
    "services": frozenset({"OrderService", "CustomerService", "BillingService"}),
    "businesses": frozenset({"SUSPEND", "PAY"}),
    "purposes": frozenset({"counter-service"}),
}
FILE = """
[counter]
services = ["OrderService", "CustomerService"]
businesses = ["SUSPEND"]
amount_a_day = 500

["staff/*"]
businesses = ["SUSPEND", "RESUME"]
amount_a_day = 70

["staff/li"]
businesses = ["SUSPEND"]
amount_a_day = 70
"""


@pytest.fixture(name="kept")
def what_a_region_keeps() -> Iterator[Archive]:
    with archive() as found:
        yield found


@pytest.fixture(name="file")
def a_file_of_scopes(tmp_path: Path) -> Path:
    file = tmp_path / "operators.toml"
    file.write_text(FILE)
    return file


def test_a_scope_is_wider_with_more_of_anything_and_else_narrower() -> None:
    bank = Scope(client_id="0b2c")
    before = {"counter": COUNTER, "bank": bank, ANY_STAFF: Scope(businesses=frozenset({"PAY"})), "staff/li": Scope()}
    bare = Scope(amount_a_day=0)
    wider: list[tuple[str, Scope | None]] = [
        ("counter", replace(COUNTER, services=EVERYTHING)),
        ("counter", replace(COUNTER, services=frozenset({"BillingService"}))),
        ("counter", replace(COUNTER, businesses=frozenset({"SUSPEND", "PAY"}), services=frozenset())),
        ("counter", replace(COUNTER, purposes=frozenset({"counter-service"}))),
        ("counter", replace(COUNTER, amount_a_day=501)),
        ("counter", replace(COUNTER, amount_a_day=None)),
        ("counter", replace(COUNTER, businesses=frozenset(), amount_a_day=501)),
        ("counter", replace(COUNTER, staff=NAMED)),
        ("counter", replace(COUNTER, client_id="0a1b")),
        ("bank", replace(bank, client_id="")),
        ("crm", Scope(services=frozenset({"OrderService"}))),
        ("crm", Scope(amount_a_day=None)),
        ("staff/wang", Scope(businesses=EVERYTHING)),
        ("staff/li", None),
    ]
    narrower: list[tuple[str, Scope | None]] = [
        ("counter", None),
        ("counter", bare),
        ("counter", replace(COUNTER, services=frozenset({"OrderService"}), amount_a_day=499)),
        ("bank", None),
        ("crm", bare),
        ("staff/wang", Scope(amount_a_day=0)),
        (ANY_STAFF, None),
    ]
    for operator, scope in wider + narrower:
        after = changed(before, operator, scope)
        assert widens(before, after, operator) == ((operator, scope) in wider), told_change(before, after, operator)


def test_a_removed_scope_that_gives_another_system_its_client_is_a_widening() -> None:
    before = {"crm": replace(COUNTER, client_id="both"), "bank": replace(COUNTER, client_id="both")}
    after = changed(before, "crm", None)
    assert widens(before, after, "crm")
    assert "client_id of bank counts" in told_change(before, after, "crm")


def test_the_text_of_a_change_names_each_difference() -> None:
    before = {"counter": COUNTER}
    after = changed(before, "counter", Scope(businesses=frozenset({'PAY", "X'}), amount_a_day=None, staff=NAMED))
    assert told_change(before, after, "counter") == (
        'counter: services - ["CustomerService", "OrderService"]; businesses + ["PAY\\", \\"X"];'
        ' businesses - ["SUSPEND"]; amount_a_day 500 -> unlimited; staff "proven" -> "named"'
    )
    assert told_change(before, before, "counter") == ""
    removed = told_change(before, {}, "counter")
    assert (removed.startswith("counter: removed; "), "amount_a_day 500 -> 0" in removed) == (True, True)
    assert told_change({}, before, "counter").startswith('counter: added; services + ["CustomerService"')


def test_a_message_has_a_scope_of_a_file_as_it_is(file: Path) -> None:
    for name, scope in ScopeFile.load(file).scopes.items():
        assert scope_in(name, message_of(name, scope)) == scope
    for name, scope in (("counter", Scope(client_id=" ")), ("staff/li", COUNTER), ("counter", Scope(amount_a_day=-1))):
        with pytest.raises(ValueError, match="must be"):
            scope_in(name, message_of(name, scope))


def asked(kept: Archive, scope: Scope | None, operator: str = "counter", by: str = "li") -> ApprovalRow | None:
    """The approval that a member of staff has to wait for; None for a change that is done."""
    call = AuditedCall(f"region/sichuan/staff/{by}", by, NOW)
    awaited = set_scope(kept.tx, operator, scope, call, KNOWN, kept.revocations)
    assert awaited is None or isinstance(awaited, Awaited)
    return None if awaited is None else awaited.approval


def in_force(kept: Archive) -> dict[str, Scope]:
    return {each.operator: scope_in(each.operator, each) for each in scopes_in_force(kept.tx)}


def test_one_member_of_staff_narrows_and_two_widen(kept: Archive, file: Path) -> None:
    take_over(kept.tx, ScopeFile.load(file), NOW)
    narrow, wide = replace(COUNTER, services=frozenset({"OrderService"})), replace(COUNTER, services=EVERYTHING)
    assert asked(kept, narrow) is None
    assert in_force(kept)["counter"] == narrow
    waiting = asked(kept, wide)
    assert waiting is not None
    assert waiting.reference == 'counter: services + ["*"]; services - ["OrderService"]'
    assert in_force(kept)["counter"] == narrow, "a proposal alone changes nothing"
    with pytest.raises(Refused, match="APPROVER_IS_PROPOSER"):
        decide(kept.tx, waiting.approval_id, Decision("li", confirmed=True), kept.revocations, NOW)
    decide(kept.tx, waiting.approval_id, Decision("zhao", confirmed=True), kept.revocations, NOW)
    assert asked(kept, wide, by="wang") is not None, "a confirmation counts for who has proposed it"
    assert asked(kept, replace(COUNTER, services=EVERYTHING, amount_a_day=501)) is not None, "and for no other scope"
    assert asked(kept, wide) is None
    assert in_force(kept)["counter"] == wide
    assert asked(kept, wide) is None, "what is in force needs nobody"
    rows = [row.detail for row in audit.rows(kept.tx) if row.action == "SetOperatorScope"]
    assert rows == [
        'staff li, counter: services - ["CustomerService"]',
        'staff li, counter: services + ["*"]; services - ["OrderService"], confirmed by staff zhao',
    ]


def test_a_narrowing_between_proposal_and_act_is_not_undone_by_it(kept: Archive, file: Path) -> None:
    take_over(kept.tx, ScopeFile.load(file), NOW)
    wide = replace(COUNTER, businesses=frozenset({"SUSPEND", "PAY"}))
    waiting = asked(kept, wide)
    assert waiting is not None
    decide(kept.tx, waiting.approval_id, Decision("zhao", confirmed=True), kept.revocations, NOW)
    assert asked(kept, None, by="wang") is None
    again = asked(kept, wide)
    assert again is not None
    assert (again.state, again.approval_id == waiting.approval_id) == (rules.PROPOSED, False)
    assert "counter" not in in_force(kept)


@pytest.mark.parametrize(
    ("scope", "field"),
    [
        (replace(COUNTER, services=frozenset({"OrdersService"})), "scope.services"),
        (replace(COUNTER, businesses=frozenset({"SUSPENDED"})), "scope.businesses"),
        (replace(COUNTER, purposes=frozenset({"counter"})), "scope.purposes"),
    ],
)
def test_a_name_that_neither_contract_nor_configuration_has_is_refused_at_its_field(
    kept: Archive, file: Path, scope: Scope, field: str
) -> None:
    take_over(kept.tx, ScopeFile.load(file), NOW)
    with pytest.raises(Refused, match="is unknown") as caught:
        asked(kept, scope)
    assert caught.value.parameters["field"] == field


def test_a_scope_keeps_a_business_that_has_left_the_catalogue_when_it_is_narrowed(kept: Archive, file: Path) -> None:
    file.write_text(FILE.replace('["SUSPEND"]', '["SUSPEND", "GONE"]'))
    take_over(kept.tx, ScopeFile.load(file), NOW)
    narrow = replace(COUNTER, businesses=frozenset({"GONE"}))
    assert asked(kept, narrow) is None
    assert in_force(kept)["counter"] == narrow
    assert asked(kept, None) is None


@pytest.mark.parametrize("body", [b"\xff", OperatorScope(client_id=" ").SerializeToString()])
def test_a_stored_scope_that_cannot_be_read_allows_nothing_and_others_count_until_it_is_set_again(
    kept: Archive, file: Path, body: bytes
) -> None:
    take_over(kept.tx, ScopeFile.load(file), NOW)
    kept.tx.execute("UPDATE operator_scopes SET body = :body WHERE operator = 'counter'", body=body)
    scopes, problems = read_scopes(stored_rows(kept.tx) or [])
    assert (scopes["counter"], len(scopes)) == (NOTHING, 3)
    assert [each.partition(":")[0] for each in problems] == ["counter"]
    waiting = asked(kept, COUNTER)
    assert waiting is not None, "whatever it allowed before, it is widened from nothing"
    decide(kept.tx, waiting.approval_id, Decision("zhao", confirmed=True), kept.revocations, NOW)
    assert asked(kept, COUNTER) is None
    assert in_force(kept)["counter"] == COUNTER


def test_a_process_says_which_stored_scope_it_cannot_read_and_what_to_do(
    tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        store = SqliteStore(tmp_path / "store.db", migrations_of(*PACKAGES))

        def broken(tx: Transaction) -> None:
            take_over(tx, ScopeFile.load(file), NOW)
            tx.execute("UPDATE operator_scopes SET body = :body WHERE operator = 'counter'", body=b"\xff")

        await store.write(broken)
        scopes = OperatorScopes(file)
        await ScopeKeeper(scopes, store).look()
        with pytest.raises(Refused, match="OPERATOR_SCOPE_MISSING"):
            scopes.require_service("counter", "OrderService")
        scopes.require_business("staff/wang", "SUSPEND")
        await store.close()

    asyncio.run(scenario())
    assert "`region-node scopes set` replaces it: counter" in caplog.text


def test_the_first_file_alone_is_taken_over(kept: Archive, file: Path) -> None:
    with pytest.raises(Refused, match="OPERATORS_UNSCOPED"):
        asked(kept, COUNTER)
    take_over(kept.tx, ScopeFile.load(file), NOW)
    file.write_text("")
    take_over(kept.tx, ScopeFile.load(file), NOW)
    assert in_force(kept).keys() == {"counter", "staff/*", "staff/li"}
    assert [row.action for row in audit.rows(kept.tx)].count("OperatorScopes") == 1


def test_each_process_follows_the_database_and_a_start_with_another_file_says_so(
    tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = tmp_path / "wider.toml"
    other.write_text(f"{FILE}\n[crm]\nservices = ['*']\n")

    async def scenario() -> None:
        store = SqliteStore(tmp_path / "store.db", migrations_of(*PACKAGES))
        first, second = OperatorScopes(file), OperatorScopes(file)
        keepers = [ScopeKeeper(each, store) for each in (first, second)]
        beside = ScopeKeeper(OperatorScopes(other), store)
        for keeper in (*keepers, beside):
            await keeper.look()
        following = [asyncio.create_task(each.run(store, SystemClock())) for each in keepers]
        ended = asyncio.Event()
        second.on_change(ended.set)
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
        assert caplog.text == ""
        await beside.look()
        assert caplog.text.count("took over another file") == 1, (
            "also of two that start together one has the other file"
        )
        ended.clear()
        call = AuditedCall("region/sichuan/staff/li", "li", NOW)
        await store.write(lambda tx: set_scope(tx, "counter", None, call, KNOWN, keys().trusted.revocations))
        await keepers[0].look()
        with pytest.raises(Refused, match="OPERATOR_SCOPE_MISSING"):
            first.require_service("counter", "OrderService")
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
        with pytest.raises(Refused, match="OPERATOR_SCOPE_MISSING"):
            second.require_service("counter", "OrderService")
        for each in following:
            each.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        for late in (OperatorScopes(other), OperatorScopes()):
            await ScopeKeeper(late, store).look()
            for operator in ("crm", "counter"):
                with pytest.raises(Refused, match="OPERATOR_SCOPE_MISSING"):
                    late.require_service(operator, "OrderService")
        assert caplog.text.count("took over another file") == 3
        await store.close()

    asyncio.run(scenario())
