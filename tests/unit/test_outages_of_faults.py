"""The outages of a closed fault, despite later changes of the network."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.api.region.v1.agreement_pb2 import ServiceOutage
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultPlace, FaultReport, FaultSeverity, FaultState
from gateway.api.region.v1.outage_envelopes_pb2 import OutageTold
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Command
from gateway.time.clock import to_timestamp
from region_node.network.agreements.of_faults import note_outages_of
from region_node.network.agreements.relayed import OutageEnvelopes
from tests.shipped import shipped_configuration
from tests.unit.test_agreement_statements import HOUR, JUNE, Desk, desk

DIRECT = "chengdu-zhengzhou-1"
CABLE, TERMINAL = FaultCause.FAULT_CAUSE_CABLE, FaultCause.FAULT_CAUSE_TERMINAL


def fault(place: FaultPlace, version: int = 1, cause: FaultCause.ValueType = CABLE) -> Fault:
    """A critical one of Sichuan's that was there for an hour, and is closed."""
    found = Fault(
        id="guangdong/F1",
        owner_region="sichuan",
        state=FaultState.FAULT_STATE_CLOSED,
        severity=FaultSeverity.FAULT_SEVERITY_CRITICAL,
        cause=cause,
        report=FaultReport(place=place),
        version=version,
    )
    found.outages.add(start_time=to_timestamp(JUNE), end_time=to_timestamp(JUNE + HOUR))
    return found


def noted(node: Desk, table: str) -> list[tuple[str, int]]:
    """The sources that stand in a table, and whether they were taken back."""
    return node.tx.all(lambda source, withdrawn: (source, withdrawn), f"SELECT source, withdrawn FROM {table}")


def retired(*links: str) -> CurrentFederation:
    """The federation once there are links no more."""
    configuration = shipped_configuration()
    network = configuration.network
    left = [each for each in network.links if each.id not in links]
    del network.links[:]
    network.links.extend(left)
    for service in network.services:
        service.links[:] = [each for each in service.links if each not in links]
    current = CurrentFederation()
    current.update(Federation(2, configuration), [])
    return current


def test_a_fault_at_what_is_another_regions_by_now_is_closed_and_tells_nothing_of_that() -> None:
    with desk() as node:
        note_outages_of(node.tx, node.context, Fault(), fault(FaultPlace(site="guangzhou")), JUNE + HOUR)
        assert noted(node, "part_outages") == []
        # It runs a part of these lines, and of nothing else in Guangzhou.
        assert noted(node, "service_outages") == [("sichuan/fault/guangdong/F1", 0)]


def test_what_was_noted_is_taken_back_although_the_link_is_there_no_more() -> None:
    with desk() as node:
        note_outages_of(node.tx, node.context, Fault(), fault(FaultPlace(link=DIRECT)), JUNE + HOUR)
        assert noted(node, "part_outages") == [("sichuan/fault/guangdong/F1", 0)]
        node.context.border.current.update(retired(DIRECT).federation, [])
        reopened = fault(FaultPlace(link=DIRECT), version=2)
        reopened.state = FaultState.FAULT_STATE_IN_PROGRESS
        again = fault(FaultPlace(link=DIRECT), version=3, cause=TERMINAL)
        note_outages_of(node.tx, node.context, reopened, again, JUNE + timedelta(hours=3))
        assert noted(node, "part_outages") == [("sichuan/fault/guangdong/F1", 1)]


def test_what_changes_once_it_is_closed_is_not_noted_anew() -> None:
    with desk() as node:
        closed = fault(FaultPlace(link=DIRECT))
        note_outages_of(node.tx, node.context, closed, fault(FaultPlace(link=DIRECT), version=2), JUNE + HOUR)
        assert noted(node, "part_outages") == []


def test_a_report_is_not_refused_for_good_by_a_region_without_a_configuration() -> None:
    with desk() as node:
        border = replace(node.context.border, current=CurrentFederation())
        told = OutageEnvelopes(replace(node.context, border=border)).kinds()[EnvelopeKind.ENVELOPE_KIND_SERVICE_OUTAGE]
        assert isinstance(told, Command)
        outage = ServiceOutage(source="henan/fault/1", region="henan")
        content = EnvelopeContent(origin="henan", subject="outage/henan/fault/1")
        content.payload = OutageTold(outage=outage).SerializeToString()
        with pytest.raises(Refused) as refused:
            told.act(node.tx, content, JUNE)
        assert refused.value.reason == Reason.REASON_CONFIGURATION_MISSING
