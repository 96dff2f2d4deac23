"""The businesses of the configuration that came into force last, and their changes for listeners."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.api.federation.v1.configuration_pb2 import Business
from gateway.api.region.v1.listener_service_pb2 import ListenerResource
from gateway.federation.catalogue import Federation
from gateway.store.port import Transaction
from gateway.store.tables import Table, prints_without
from region_node.records.listened import ListenedEvents, StateChange
from region_node.records.stored import FIRST, GONE
from region_node.records.watches import Change, Feed, changes_after

EVENTS = ListenedEvents("offering_events", "business", (ListenerResource.LISTENER_RESOURCE_PRODUCT_OFFERING,))
_OFFERED = 1  # the one state of a business in the catalogue


@prints_without("body")
class _Known(NamedTuple):
    business: str
    revision: int
    body: bytes


_KNOWN = Table("known_offerings", _Known, key=("business",))


def known_revision(tx: Transaction) -> int:
    """The revision of the configuration whose businesses are known; 0 before the first."""
    return tx.first(int, "SELECT COALESCE(MAX(revision), 0) FROM known_offerings") or 0


def note_offerings(tx: Transaction, federation: Federation, now: datetime) -> None:
    """Notes how the businesses of a revision differ from those known before. An older revision changes nothing.

    The first revision is no change.
    """
    if known_revision(tx) >= federation.revision:
        return
    rows = tx.all(_Known, "SELECT business, revision, body FROM known_offerings")
    known = {each.business: each.body for each in rows}
    offered = {each.code: each.SerializeToString(deterministic=True) for each in federation.businesses}
    for code, body in offered.items():
        tx.keep(_KNOWN, _Known(code, federation.revision, body))
    gone = sorted(known.keys() - offered.keys())
    for code in gone:
        tx.remove(_KNOWN, code)
    if known:
        changed = [code for code, body in offered.items() if known.get(code) != body]
        new = [StateChange(code, _OFFERED, _OFFERED if code in known else FIRST) for code in changed]
        EVENTS.note_states(tx, [*new, *(StateChange(code, GONE, _OFFERED) for code in gone)], now)


def _changes_after(tx: Transaction, sequence: int, name: str) -> Sequence[Change[Business]]:
    """The changes after a sequence number: each business as it is known; its code alone where it has left."""

    def now(code: str) -> Business:
        found = tx.find(_KNOWN, code)
        return Business(code=code) if found is None else Business.FromString(found.body)

    return changes_after(tx, EVENTS, sequence, name, now)


OFFERING_FEED = Feed(_changes_after, EVENTS.last)
