"""The conditions in the end, over all databases, for people's requests and responses."""

from tests.simulation.checks import (
    agreements,
    answers,
    audit,
    carried_out,
    effects,
    faults,
    joint,
    lines,
    money,
    moved_rents,
    orders,
    owners,
    problems,
    relay,
    status,
)
from tests.simulation.evidence import Evidence

CHECKS = (
    effects.check,
    lines.check,
    carried_out.check,
    money.check,
    orders.check,
    status.check,
    answers.check,
    relay.check,
    audit.check,
    faults.check,
    moved_rents.check,
    problems.check,
    agreements.check,
    joint.check,
    owners.check,
)


def check(evidence: Evidence) -> None:
    """Notes every guarantee that does not hold."""
    for each in CHECKS:
        each(evidence)
