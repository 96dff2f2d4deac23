"""The choices of a later version that this one cannot read, and other changes."""

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration, DataClass, RetentionRule
from gateway.api.federation.v1.federation_pb2 import Capabilities
from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand, OrderUpdate
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.relay.v1.relay_pb2 import ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.federation import capabilities
from gateway.federation.capabilities import Readability, own_capabilities
from gateway.values.choices import Choice, Known, UnknownChoice, first_outside, first_unknown, known_of, require_known
from tests.later_version import LATER_ARM, LATER_VALUE, choose_later_arm


def test_an_arm_of_a_later_version_is_found_by_the_number_of_its_field() -> None:
    command = OrderCommand(order_id="1", cancel=OrderCommand.Cancel(reason="moved"))
    require_known(command)
    choose_later_arm(command, "command")
    read = OrderCommand.FromString(command.SerializeToString())
    assert read.order_id == "1"
    with pytest.raises(UnknownChoice, match=f"^command = {LATER_ARM}$"):
        require_known(read)


def test_a_value_of_a_later_version_is_found_where_it_stands() -> None:
    update = OrderUpdate()
    update.order.state = OrderState.ORDER_STATE_IN_PROGRESS
    update.order.state_changes.add().state = OrderState.ORDER_STATE_IN_PROGRESS
    assert first_unknown(update) is None
    update.order.state_changes.add().state = OrderState.ValueType(LATER_VALUE)
    read = OrderUpdate.FromString(update.SerializeToString())
    assert str(first_unknown(read)) == f"order.state_changes[1].state = {LATER_VALUE}"


def test_a_plain_field_of_a_later_version_is_left_out() -> None:
    command = OrderCommand(order_id="1", cancel=OrderCommand.Cancel(reason="moved"))
    command.MergeFromString(b"\xf8\x7f\x01")  # field 2047, a number
    require_known(command)
    require_known(OrderUpdate.FromString(b"\xf8\x7f\x01"))


def test_a_message_that_leaves_a_oneof_open_and_holds_nothing_else_is_known() -> None:
    require_known(OrderCommand(order_id="1"))


def test_a_reason_of_a_later_version_is_told_and_not_waited_for() -> None:
    require_known(ReceiptContent(reason=Reason.ValueType(LATER_VALUE)))


def test_the_choices_of_another_version_are_those_that_it_tells() -> None:
    configuration = Configuration()
    for data_class in (DataClass.DATA_CLASS_ORDERS, DataClass.DATA_CLASS_DOCUMENTS):
        configuration.retention_rules.append(RetentionRule(data_class=data_class, months=60))
    known = known_of(Configuration.DESCRIPTOR)
    assert first_outside(configuration, known) is None
    name = DataClass.DESCRIPTOR.full_name
    older = {**known, name: known[name] - {DataClass.DATA_CLASS_DOCUMENTS}}
    found = first_outside(configuration, older)
    assert str(found) == f"retention_rules[1].data_class = {DataClass.DATA_CLASS_DOCUMENTS}"
    arms = {**known, "gateway.api.federation.v1.RetentionRule.kept": frozenset[int]()}
    assert "retention_rules[0].months" in str(first_outside(configuration, arms))
    assert first_outside(configuration, {}) is not None


def test_a_configuration_is_walked_once_for_each_distinct_set_of_capabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    walks = list[Known]()

    def counted(configuration: Configuration, known: Known) -> Choice | None:
        walks.append(known)
        return first_outside(configuration, known)

    monkeypatch.setattr(capabilities, "first_outside", counted)
    of_all, in_another_order, older = own_capabilities(), Capabilities(), Capabilities()
    in_another_order.capabilities.extend(reversed(of_all.capabilities))
    older.capabilities.extend(of_all.capabilities[1:])
    configuration = Configuration(retention_rules=[RetentionRule(data_class=DataClass.DATA_CLASS_ORDERS, months=60)])
    readability = Readability(configuration)
    for versions in ([of_all, of_all], [in_another_order], [Capabilities(), of_all, older], [older]):
        assert readability.first_unreadable(versions) is None
    assert len(walks) == len({"of all", "older"})
    assert Readability(configuration).first_unreadable([of_all, Capabilities(capabilities=of_all.capabilities[:1])])
