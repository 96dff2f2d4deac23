"""Alerts to people on duty that belong to no ticket, so that no purge of tickets removes their notices."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.store.port import Transaction
from region_node.care.escalations.rows import first_words, forget_delivered_below
from region_node.records.kinds import RecordKind, RetentionPort

KEPT = timedelta(days=365)
"""The time for which the notice of an alert is kept after its delivery."""


def alerts(names: Sequence[str], of_regions: Sequence[str]) -> RecordKind:
    """The registration of alerts for the nightly purge, by the first words of their names.

    Those `of_regions` have the name of any region before these words. A notice that no sink has accepted stays.
    """

    def forget(tx: Transaction, now: datetime) -> None:
        for each in names:
            forget_delivered_below(tx, each, now - KEPT)
        for region in first_words(tx) if of_regions else ():
            for each in of_regions:
                forget_delivered_below(tx, f"{region}/{each}", now - KEPT)

    return RecordKind("alert", retention=RetentionPort(forget=forget))
