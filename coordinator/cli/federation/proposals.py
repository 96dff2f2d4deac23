"""Proposals of revisions: files that administrators sign one after the other, or apart."""

from collections.abc import Iterable
from datetime import UTC, timedelta
from pathlib import Path

import click
from google.protobuf.message import DecodeError

from coordinator.cli.federation.written import writing
from gateway.api.coordinator.v1.administration_pb2 import SignedConfiguration
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import (
    Anchor,
    ProposedRevision,
    RevisionSignature,
    RevisionStatement,
    SignedRevision,
)
from gateway.cli.clock import command_clock
from gateway.cli.exits import NotDone
from gateway.federation.revisions import (
    RevisionRefused,
    digest,
    parsed,
    signature_of,
    signers,
    stated_time,
    statement_after,
)
from gateway.process.files import replace_file
from gateway.security.private_keys import KeyUnusable
from gateway.security.signing import Signer
from gateway.wording.languages import enumerated, in_language, refusal, translated

DEFAULT_DAYS = 365
"""The validity of a revision: so long a coordinator can go on to show it to a member that has none."""

keys_option = click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Sign with this key of an administrator; repeat it for several.",
)


def proposal(place: Anchor, wanted: Configuration, days: int) -> ProposedRevision:
    """The proposal, without signatures, that a configuration follows a place of the chain. Raises NotDone."""
    content, now = wanted.SerializeToString(deterministic=True), command_clock().now()
    # A signing machine that is offline may be behind: the statement is never older than the one before.
    issued = max(now, place.issue_time.ToDatetime(UTC))
    try:
        statement = statement_after(place, content, issued, issued + timedelta(days=days))
    except RevisionRefused as refused:
        raise NotDone([in_language(refused.told)]) from None
    return ProposedRevision(revision=SignedRevision(statement=statement), configuration=content, previous=place)


def read_proposal(path: Path) -> ProposedRevision:
    """The proposal of a file, which holds together: what it shows is what is signed. Raises NotDone."""
    try:
        proposed = ProposedRevision.FromString(path.read_bytes())
        statement = statement_of(proposed)
        stated_time(statement.end_time)  # it is shown before anybody signs
        if digest(proposed.configuration) != statement.configuration_digest:
            raise RevisionRefused("its configuration is not the one of its statement", "其配置与声明不符")
        if statement.previous_digest != proposed.previous.digest:
            raise RevisionRefused(
                "its statement follows another revision than it shows", "其声明所接续的修订与所示不符"
            )
        before = proposed.previous_configuration  # without it, everything is shown as new
        if before and digest(before) != _previous_digest(proposed):
            raise RevisionRefused("the configuration before is not the one that it shows", "此前的配置与所示不符")
    except OSError as error:
        raise NotDone([translated("{path}: cannot be read: {problem}", path=path, problem=error.strerror)]) from None
    except (DecodeError, RevisionRefused) as error:
        problem = refusal(error)
        raise NotDone([translated("{path}: is no proposal: {problem}", path=path, problem=problem)]) from None
    return proposed


def write_proposal(path: Path, proposed: ProposedRevision) -> None:
    """Replaces a file. Raises NotDone."""
    with writing(path):
        replace_file(path, proposed.SerializeToString())


def statement_of(proposed: ProposedRevision) -> RevisionStatement:
    """The statement of a proposal. Raises RevisionRefused."""
    return parsed(RevisionStatement, proposed.revision.statement)


class _AdministratorSigner(Signer):
    def _signature(self, signed: bytes) -> bytes:
        """A token may be pulled while its owner reads what is to be signed. Raises NotDone."""
        try:
            return super()._signature(signed)
        except KeyUnusable as error:
            raise NotDone([str(error)]) from None


def signer_of(path: Path) -> Signer:
    """The key of an administrator. Raises NotDone, also where it is to sign later."""
    try:
        return _AdministratorSigner.load(path)
    except OSError as error:
        raise NotDone([translated("{path}: cannot be read: {problem}", path=path, problem=error.strerror)]) from None
    except ValueError as error:
        raise NotDone([str(error)]) from None


def add_signature(proposed: ProposedRevision, signer: Signer) -> str:
    """Signs a proposal; returns the name of the administrator. Raises NotDone for the key of nobody who may sign."""
    names = {each.key: each.name for each in proposed.previous.administration.administrators}
    name = names.get(signer.public_key)
    if name is None:
        raise NotDone(
            [
                translated(
                    "the key is of none of the administrators who sign this revision: {names}",
                    names=enumerated(names.values()),
                )
            ]
        )
    _add(proposed, signature_of(signer, proposed.revision.statement))
    return name


def merged(proposals: Iterable[ProposedRevision]) -> ProposedRevision:
    """One proposal with the signatures of all. Raises NotDone where they are not of one statement."""
    first, *others = proposals
    for other in others:
        if other.revision.statement != first.revision.statement:
            raise NotDone([translated("the files hold different proposals: sign copies of one")])
        for signature in other.revision.signatures:
            _add(first, signature)
    return first


def signed_by(proposed: ProposedRevision) -> list[str]:
    """The names of those who have signed."""
    return signers(proposed.previous.administration, proposed.revision)


def signed_configuration(proposed: ProposedRevision) -> SignedConfiguration:
    """A proposal as a coordinator is sent it."""
    return SignedConfiguration(revision=proposed.revision, content=proposed.configuration)


def _add(proposed: ProposedRevision, signature: RevisionSignature) -> None:
    others = [each for each in proposed.revision.signatures if each.key != signature.key]
    del proposed.revision.signatures[:]
    proposed.revision.signatures.extend([*others, signature])


def _previous_digest(proposed: ProposedRevision) -> bytes:
    """The digest of the configuration before, by the statement before; without one the place has it itself."""
    if not proposed.previous_statement:
        return proposed.previous.digest
    if digest(proposed.previous_statement) != proposed.previous.digest:
        raise RevisionRefused("the statement before is not the one that it shows", "此前的声明与所示不符")
    return parsed(RevisionStatement, proposed.previous_statement).configuration_digest
