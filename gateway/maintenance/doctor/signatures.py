"""Whether a member verifies the configuration by administrators' signatures, until when, and how many of them."""

from collections.abc import Callable, Iterable
from datetime import datetime

from gateway.api.federation.v1.revision_pb2 import Administration, Anchor, SignedRevision
from gateway.federation.administration_rules import is_one_enough
from gateway.federation.revisions import Chain, RevisionRefused
from gateway.maintenance.doctor.certificates import EXPIRES_SOON
from gateway.maintenance.doctor.findings import Finding, bad, good, not_checked, warning
from gateway.security.tls import CredentialsUnusable
from gateway.time.clock import dated
from gateway.wording.languages import in_language, translated
from gateway.wording.times import told_time


def check_signatures(
    read_anchor: Callable[[], Anchor | None], revisions: Iterable[SignedRevision] | None, now: datetime
) -> list[Finding]:
    """Checks the anchor of the settings, the statements that the member has kept after it, and who signs the next one.

    `read_anchor` raises CredentialsUnusable. `revisions` is None where they cannot be read. `now` is aware.
    """
    name = translated("signatures")
    try:
        anchor = read_anchor()
    except CredentialsUnusable as error:
        return [bad(name, str(error), translated("put the anchor file there that the administrators have made"))]
    if anchor is None:
        todo = translated(
            "begin to sign, and set federation_anchor: `coordinator federation anchor-in-force` makes the file"
        )
        return [warning(name, translated("none are needed: whoever has a coordinator decides where orders go"), todo)]
    if revisions is None:
        return [not_checked(name, translated("the revisions that are kept cannot be read"))]
    try:
        chain = Chain.of(anchor).followed(revisions)
    except RevisionRefused as refused:
        todo = translated("restart the process: it takes the last revision that verifies from its anchor")
        return [
            bad(name, translated("what is kept does not verify: {problem}", problem=in_language(refused.told)), todo)
        ]
    return [_validity(name, chain, now), _threshold(chain.place.administration)]


def _threshold(administration: Administration) -> Finding:
    count = len(administration.administrators)
    name = translated("administrators")
    found = translated("{threshold} of {count} sign a revision", threshold=administration.threshold, count=count)
    if not is_one_enough(administration):
        return good(name, found)
    todo = translated(
        "name two administrators or more, and sign a revision with a threshold of 2: else one stolen key decides where"
        " orders go"
    )
    return warning(name, found, todo)


def _validity(name: str, chain: Chain, now: datetime) -> Finding:
    revision, statement = chain.place.revision, chain.statement
    if statement is None:
        return good(name, translated("nothing is kept after revision {revision} of the anchor", revision=revision))
    ends = dated(statement.end_time)
    found = translated("revision {revision} is valid until {time}", revision=revision, time=told_time(ends))
    if ends - now >= EXPIRES_SOON:
        return good(name, found)
    if ends <= now:
        found = translated(
            "the validity of revision {revision} ended at {time}", revision=revision, time=told_time(ends)
        )
    todo = translated(
        "sign and apply the next revision: after the end nobody newly takes this one, and who has it works on"
    )
    return warning(name, found, todo)
