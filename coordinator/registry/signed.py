"""The signatures of configurations that are to be put in force, or were. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from gateway.api.coordinator.v1.administration_pb2 import ConfigurationRevision, SignedConfiguration
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import RevisionStatement
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, problem_of
from gateway.federation.revisions import Chain, RevisionRefused, parsed, place_of, signers, stated_time
from gateway.rpc.access import LARGEST_REQUEST
from gateway.rpc.element_counts import most_elements, require_few
from gateway.time.clock import to_timestamp

_LARGEST_CONFIGURATION = 16 * 1024 * 1024  # bytes, as the contract has it for a request with one


def next_chain(chain: Chain | None, signed: SignedConfiguration | None, now: datetime) -> Chain | None:
    """The chain after a configuration, itself after a repeated call; None for a coordinator without an anchor.

    Raises Refused with CONFIGURATION_UNSIGNED, ANCHOR_MISSING, CONFIGURATION_CHANGED where another revision was applied
    meanwhile, TOO_MANY_ELEMENTS, or CONFIGURATION_SIGNATURES_INVALID. Takes seconds for half a million prefixes.
    """
    if chain is None:
        if signed is not None:
            raise Refused(Reason.REASON_ANCHOR_MISSING)
        return None
    if signed is None:
        raise Refused(Reason.REASON_CONFIGURATION_UNSIGNED)
    _require_few_stated(signed)
    try:
        if chain.has(signed.revision):
            repeated = chain.followed((signed.revision,))
            repeated.require(signed.content)
            return repeated
        if place_of(signed.revision).revision <= chain.place.revision:
            raise Refused(Reason.REASON_CONFIGURATION_CHANGED, revision=str(chain.place.revision))
        followed = chain.followed((signed.revision,))
        followed.require(signed.content)
        followed.require_valid(now)
    except RevisionRefused as refused:
        raise Refused(Reason.REASON_CONFIGURATION_SIGNATURES_INVALID, **problem_of(refused)) from None
    return followed


def proposed(chain: Chain | None, signed: SignedConfiguration) -> tuple[Configuration, list[str]]:
    """The configuration of a proposal, and the names of those who have signed it so far.

    Those count whom the revision before it names, and nobody where the chain does not know that one.
    Raises Refused with ANCHOR_MISSING, TOO_MANY_ELEMENTS, or CONFIGURATION_SIGNATURES_INVALID where the configuration
    is not that of the statement, or a time of it is out of range. Takes seconds for half a million prefixes.
    """
    if chain is None:
        raise Refused(Reason.REASON_ANCHOR_MISSING)
    _require_few_stated(signed)
    # Nobody else may have signed it.
    require_few(signed.content, Configuration.DESCRIPTOR, most_elements(_LARGEST_CONFIGURATION))
    try:
        statement = parsed(RevisionStatement, signed.revision.statement)
        for each in (statement.issue_time, statement.end_time):
            stated_time(each)
        standing = Chain(place_of(signed.revision), statement.configuration_digest, (signed.revision,))
        configuration = standing.require(signed.content)
    except RevisionRefused as refused:
        raise Refused(Reason.REASON_CONFIGURATION_SIGNATURES_INVALID, **problem_of(refused)) from None
    administration = chain.signing(statement.revision)
    return configuration, signers(administration, signed.revision) if administration is not None else []


def described(
    chain: Chain | None, revisions: Iterable[int], times: Mapping[int, datetime]
) -> list[ConfigurationRevision]:
    """The statements of revisions, without these for a revision of which the chain has none. Verifies signatures.

    `times` says when each came into force.
    """
    found = [_described(chain, each) for each in revisions]
    for each in found:
        if (time := times.get(each.federation_revision)) is not None:
            each.apply_time.CopyFrom(to_timestamp(time))
    return found


def _described(chain: Chain | None, revision: int) -> ConfigurationRevision:
    found = ConfigurationRevision(federation_revision=revision)
    signed = chain.signed(revision) if chain is not None else None
    if chain is None or signed is None:
        return found
    statement = RevisionStatement.FromString(signed.statement)
    found.issue_time.CopyFrom(statement.issue_time)
    found.end_time.CopyFrom(statement.end_time)
    found.previous_digest = statement.previous_digest
    if (administration := chain.signing(revision)) is not None:
        found.signers.extend(signers(administration, signed))
        found.threshold = administration.threshold
    return found


def _require_few_stated(signed: SignedConfiguration) -> None:
    require_few(signed.revision.statement, RevisionStatement.DESCRIPTOR, most_elements(LARGEST_REQUEST))
