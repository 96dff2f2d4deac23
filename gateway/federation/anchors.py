"""The anchor file, from which a member verifies signed revisions. A coordinator never sends it."""

from pathlib import Path

from google.protobuf.json_format import MessageToJson, ParseError

from gateway.api.federation.v1.revision_pb2 import Anchor
from gateway.federation.administration_rules import administration_problems
from gateway.federation.revisions import digest
from gateway.security.tls import CredentialsUnusable
from gateway.time.clock import dated
from gateway.values.json_messages import message_from
from gateway.wording.languages import translated

_DIGEST_BYTES = len(digest(b""))
_LARGEST = 64 * 1024


def chosen_anchor(path: Path | None, federation: str, *, allows_unsigned: bool) -> Anchor | None:
    """The anchor that a member verifies by; None for one that takes unsigned configurations, which is a choice.

    Raises CredentialsUnusable where neither or both are chosen, and as `load_anchor`.
    """
    if path is None and not allows_unsigned:
        raise CredentialsUnusable(
            translated(
                "federation_anchor: is missing. `coordinator federation anchor` writes the file; a federation that"
                " signs no configurations sets allow_unsigned_configuration"
            )
        )
    if path is not None and allows_unsigned:
        raise CredentialsUnusable(translated("allow_unsigned_configuration: must be false beside a federation_anchor"))
    return load_anchor(path, federation) if path is not None else None


def load_anchor(path: Path, federation: str) -> Anchor:
    """The anchor of a file in JSON. Raises CredentialsUnusable for one that is broken or of another federation."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise ValueError("is too large for an anchor")
        anchor = message_from(text, Anchor())
        if problem := _problem(anchor, federation):
            raise ValueError(problem)
    except (OSError, ValueError, ParseError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CredentialsUnusable(f"{path}: {reason}") from None
    return anchor


def anchor_text(anchor: Anchor) -> str:
    """The content of an anchor file."""
    return MessageToJson(anchor, preserving_proto_field_name=True, ensure_ascii=False) + "\n"


def _problem(anchor: Anchor, federation: str) -> str:
    if anchor.federation != federation:
        return f"is the anchor of the federation {anchor.federation!r}"
    if not anchor.administration.administrators:
        return "names no administrator"
    if wrong := next(administration_problems(anchor.administration), None):
        return wrong
    if len(anchor.digest) != (_DIGEST_BYTES if anchor.revision else 0):
        return "digest: must be a SHA-256 where the revision is not 0, and empty where it is"
    try:
        dated(anchor.issue_time)
    except OverflowError:
        return "issue_time: is out of range"
    return ""
