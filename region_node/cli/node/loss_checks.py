"""The check of `region-node doctor` on losses of the database."""

from gateway.maintenance.doctor.findings import Finding, bad
from gateway.maintenance.doctor.losses import open_loss
from gateway.store.opening import DatabasePlace
from gateway.wording.languages import translated


def check_losses(place: DatabasePlace) -> list[Finding]:
    """The loss that keeps the region from serving, if there is one."""
    loss = open_loss(place)
    if loss is None:
        return []
    told = translated(
        "rows of the audit chain after row {last} are missing, up to row {seen} at least: nothing is served",
        last=loss.last_sequence,
        seen=loss.seen_sequence,
    )
    return [bad(translated("completeness"), told, translated("look at it: `region-node recovery show`"))]
