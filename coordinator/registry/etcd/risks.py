"""Risks in etcd: a key each, below `risks/`. A change compares the key of its risk."""

import logging
from collections.abc import Sequence

from coordinator.registry.etcd import values
from coordinator.registry.etcd.changes import Change, Found, Noted, Put
from coordinator.registry.etcd.problems import ProblemPorts
from coordinator.registry.problem_port import Administered
from coordinator.registry.risk_port import DecideRisk
from gateway.api.coordinator.v1.risk_service_pb2 import Risk
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

_log = logging.getLogger(__name__)


class EtcdRisks:
    """See the port."""

    def __init__(self, ports: ProblemPorts) -> None:
        self._ports = ports

    async def all(self) -> Sequence[Risk]:
        """See the port."""
        found = (await self._ports.read([self._ports.keys.risks])).entries
        return [_risk(found[key].value) for key in sorted(found)]

    async def change(self, risk_id: str, decide: DecideRisk, by: Administered | None = None) -> Risk | None:
        """See the port."""
        ports, key = self._ports, self._ports.keys.risk(risk_id)
        noted = Noted(by.actor, by.action, by.subject, by.detail) if by is not None else None
        stored: Risk | None = None

        def change(found: Found) -> Change | None:
            nonlocal stored
            before = _risk(found[key].value) if key in found else None
            after = decide(before)
            stored = after if after is not None else before
            return Change({key: Put(values.encode_risk(after))}, noted=noted) if after is not None else None

        ports.require_onward()
        work = ports.changes.make([key], change, ports.clock.now(), ports.patience(), is_noted=noted is not None)
        await ports.to_the_end(work)
        return stored


def _risk(value: bytes) -> Risk:
    """The risk of a value. Raises Refused with REGISTRY_UNAVAILABLE for a value of a later version."""
    try:
        return values.decode_risk(value)
    except values.Unreadable as error:
        _log.error("a risk in etcd %s", error)
        raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE) from None
