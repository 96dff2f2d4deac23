"""Same answer (G3): one order per request, one receipt per command envelope, for any caller and any repeat."""

from gateway.api.relay.v1.relay_pb2 import Receipt, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from tests.simulation.evidence import Evidence

SAME = "same answer"
_SOON_FORGOTTEN = ("status/", "survey/")  # so begin the ids of envelopes whose content their destination destroys


def check(evidence: Evidence) -> None:
    """Compares stored requests with their responses, and the receipts on the wire."""
    remembered = {
        (region, row["caller"], row["request_id"]): row for region, row in evidence.rows("SELECT * FROM requests")
    }
    for order_id, errand in evidence.errand_of.items():
        if not errand.accepted:
            continue
        row = remembered.get((errand.region, errand.operator, errand.request_id))
        if row is None or row["order_id"] != order_id:
            evidence.broken(SAME, order_id, "its request is not remembered")
        for request_id, told in errand.commands.items():
            row = remembered.get((errand.region, errand.operator, request_id))
            if row is None:
                if told is None:
                    evidence.broken(SAME, order_id, f"{request_id} was taken in and is not remembered")
            elif told is not None and row["reason"] != told:
                now = Reason.Name(row["reason"])
                evidence.broken(SAME, order_id, f"{request_id} was refused for {Reason.Name(told)}, is now {now}")
    for (_, _, request_id), row in remembered.items():
        if not row["settled"]:
            evidence.broken("nothing lost", row["order_id"], f"{request_id} has never been answered")
    for envelope_id, receipts in evidence.receipts.items():
        is_forgotten = envelope_id.startswith(_SOON_FORGOTTEN)
        known = [each for each in receipts if not (is_forgotten and _tells_nothing(each))]
        if len(known) > 1:
            evidence.broken(SAME, envelope_id, f"{len(known)} different receipts were on the wire")


def _tells_nothing(receipt: bytes) -> bool:
    """Whether a region has forgotten what it did then."""
    content = ReceiptContent.FromString(Receipt.FromString(receipt).content)
    return content.reason == Reason.REASON_ENVELOPE_FORGOTTEN
