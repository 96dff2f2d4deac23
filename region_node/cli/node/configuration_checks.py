"""Checks that this version can read the coordinator's configuration, and which revision the node keeps, signed."""

from datetime import datetime
from pathlib import Path

from gateway.api.federation.v1.federation_pb2 import WatchResponse
from gateway.maintenance.doctor.findings import Finding, bad, good, not_checked, warning
from gateway.maintenance.doctor.limits import check_limits
from gateway.maintenance.doctor.signatures import check_signatures
from gateway.process.last_good import LastGoodBroken
from gateway.values.choices import first_unknown
from gateway.wording.languages import translated
from region_node.node.membership.last_good import LastGood
from region_node.node.settings import RegionSettings


def configuration_name(endpoint: str) -> str:
    """The name of the check against one coordinator."""
    return translated("configuration at {name}", name=endpoint)


def kept_revision(data: Path) -> int:
    """The revision by which the node works without a coordinator; 0 where it keeps none that this version can read."""
    try:
        state, configuration = LastGood(data).load(), LastGood(data).configuration()
    except LastGoodBroken:
        return 0
    if state is None or configuration is None or first_unknown(configuration) is not None:
        return 0
    return state.federation_revision


def check_kept_limits(data: Path) -> Finding:
    """Checks the limits of the configuration by which the node works without a coordinator."""
    try:
        return check_limits(LastGood(data).configuration())
    except LastGoodBroken:
        return check_limits(None)


def check_kept_signatures(settings: RegionSettings, now: datetime) -> list[Finding]:
    """Checks the node's anchor, the statements beside its copy of the configuration, and who signs the next one."""
    try:
        state = LastGood(settings.data).load() or WatchResponse()
    except LastGoodBroken:
        return check_signatures(settings.anchor, None, now)
    return check_signatures(settings.anchor, state.revisions, now)


def check_configuration(endpoint: str, response: WatchResponse, kept: int, *, serves: bool) -> Finding:
    """Checks the coordinator's state against the revision that a node keeps. `serves`: whether the node is joined."""
    name, revision = configuration_name(endpoint), response.federation_revision
    if revision <= kept:
        return good(name, translated("the node keeps revision {revision} and can read it", revision=kept))
    if not response.HasField("configuration"):
        return not_checked(name, translated("the coordinator gave no answer"))
    unknown = first_unknown(response.configuration)
    if unknown is None and not (serves and kept):
        return good(name, translated("this version can read revision {revision}", revision=revision))
    if unknown is None:
        found = translated("the node keeps revision {kept}; {revision} is in force", kept=kept, revision=revision)
        return warning(
            name, found, translated("look again; where it stays so, an older version runs: restart the node")
        )
    found = translated(
        "revision {revision} has {field}, which this version cannot read", revision=revision, field=unknown
    )
    if not kept:
        todo = translated("upgrade this node: it keeps no revision that it can read, and refuses all work until then")
        return bad(name, found, todo)
    todo = translated(
        "upgrade this node: it works by revision {kept} until then, and takes the one in force by itself",
        kept=kept,
    )
    return warning(name, found, todo)
