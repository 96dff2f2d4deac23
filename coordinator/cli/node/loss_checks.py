"""The check of `coordinator doctor` on losses of an embedded registry."""

from coordinator.settings import CoordinatorSettings
from gateway.maintenance.doctor.findings import Finding, bad
from gateway.maintenance.doctor.losses import open_loss
from gateway.wording.languages import translated


def check_losses(settings: CoordinatorSettings) -> list[Finding]:
    """The loss that keeps the coordinator from forwarding, if there is one. With etcd the database is no registry."""
    loss = None if settings.etcd is not None else open_loss(settings.database)
    if loss is None:
        return []
    found = translated(
        "rows of the audit chain after row {last} are missing, and {witness} has seen row {seen}: nothing is forwarded",
        last=loss.last_sequence,
        witness=loss.witness,
        seen=loss.seen_sequence,
    )
    todo = translated(
        "put a newer database back; or suspend and apply again what was lost, and then: `coordinator regions"
        " accept-loss {number} REFERENCE`",
        number=loss.number,
    )
    return [bad(translated("completeness"), found, todo)]
