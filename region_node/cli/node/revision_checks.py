"""The check of `region-node doctor` on the configuration that other regions hold."""

from datetime import datetime

import psycopg

from gateway.api.federation.v1.federation_pb2 import DisputedRevision, WatchResponse
from gateway.federation.revisions import Chain, RevisionRefused
from gateway.maintenance.doctor.findings import Finding, bad, good, not_checked, warning
from gateway.process.last_good import LastGoodBroken
from gateway.security.tls import CredentialsUnusable
from gateway.store.port import StoreUnusable
from gateway.wording.languages import translated
from gateway.wording.times import told_time
from region_node.node.membership.last_good import LastGood
from region_node.node.settings import RegionSettings
from region_node.node.witnessing.revisions import RECENT, DisputeKind, Known, disputes, last_told


def check_revisions(settings: RegionSettings, now: datetime) -> Finding:
    """Compares the last statements of other regions with the node's copy: each region makes one a minute."""
    name = translated("configuration of other regions")
    try:
        known = _known(settings)
        with settings.database.look() as tx:
            found, told = disputes(tx, known, now), last_told(tx)
    except (LastGoodBroken, RevisionRefused, CredentialsUnusable, StoreUnusable, psycopg.Error):
        return not_checked(name, translated("the copy of the configuration, or the database, cannot be read"))
    if found:
        return _disputed(name, *found[0])
    if told is None:
        return good(name, translated("no other region has told its revision yet"))
    if told + RECENT < now:
        todo = translated("where the node runs: look whether a coordinator keeps the messages of other regions back")
        return warning(name, translated("no region has told its revision since {time}", time=told_time(told)), todo)
    return good(name, translated("none contradicts revision {revision}", revision=known.revision))


def _known(settings: RegionSettings) -> Known:
    anchor, state = settings.anchor(), LastGood(settings.data).load() or WatchResponse()
    chain = Chain.of(anchor).followed(state.revisions) if anchor is not None else None
    return Known(state.federation_revision, chain)


def _disputed(name: str, kind: DisputeKind, dispute: DisputedRevision) -> Finding:
    region, revision, since = dispute.region, dispute.revision, told_time(dispute.begin_time)
    if kind is DisputeKind.SPLIT:
        found = translated(
            "{region} holds another configuration of revision {revision} than this node, since {time}",
            region=region,
            revision=revision,
            time=since,
        )
        todo = translated(
            "ask the administrators which one they signed: keys may be stolen; docs/signing.md says what to do then"
        )
        return bad(name, found, todo)
    found = translated(
        "{region} holds revision {revision}, and this node waits for it since {time}",
        region=region,
        revision=revision,
        time=since,
    )
    return warning(name, found, translated("name another coordinator in the settings, and look at the log of this one"))
