"""Carried out: the region's own system has done each completed order of its businesses once; nothing else stands.

Of joint orders it has done items that are committed.
"""

from gateway.api.region.v1.order_pb2 import OrderState
from tests.simulation.businesses import PROVIDER_REGION, PROVISIONED
from tests.simulation.checks.joint import committed_works
from tests.simulation.evidence import Evidence
from tests.simulation.status import FINAL

CARRIED_OUT = "carried out"


def check(evidence: Evidence) -> None:
    """Compares the system's work with the orders of its region."""
    provider, provisioned = evidence.provider, dict(evidence.provider.provisioned)
    for order_id, times in provider.done.items():
        if times > 1:
            evidence.broken(CARRIED_OUT, order_id, f"the provider has done it {times} times")
    for order_id, owners in evidence.owned.items():
        for owner in owners:
            if owner.region != PROVIDER_REGION or owner.order.request.business not in PROVISIONED:
                continue
            results = provisioned.pop(order_id, None)
            if owner.is_fulfilled:
                if results is None or not results.items() <= dict(owner.order.results).items():
                    evidence.broken(CARRIED_OUT, order_id, f"it is done, and the provider has {results}")
            elif results is not None and owner.order.state in FINAL:
                state = OrderState.Name(owner.order.state)
                evidence.broken(CARRIED_OUT, order_id, f"it ended {state}, and stands done at the provider")
    for order_id in provisioned.keys() - committed_works(evidence):
        evidence.broken(CARRIED_OUT, order_id, "it stands done at the provider, and is none of its orders")
