"""The documents required for a business, as written in the catalogue. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.api.federation.v1.configuration_pb2 import Business, DocumentRequirement
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.federation.checks import CODE

MEDIA_TYPES: Mapping[str, bytes] = MappingProxyType(
    {"application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}
)
"""The permitted media types of documents on file, with the first bytes of such files."""
MATERIALS_OF_THE_MOMENT = frozenset({"FACE", "OTP", "OTP_CONTACT", "PWD"})
"""Materials that prove presence: never taken from the file, whatever the catalogue says."""


@dataclass(frozen=True)
class RequiredLine:
    """A line of required documents: one of its alternatives is needed, each the codes that are needed together."""

    written: str
    """The line as the catalogue has it."""
    alternatives: tuple[tuple[str, ...], ...]


def parse_alternatives(line: str) -> tuple[tuple[str, ...], ...]:
    """The alternatives of one line of documents, each the codes that are needed together.

    `ID_ORIG|PWD+OTP` gives `(("ID_ORIG",), ("PWD", "OTP"))`. Raises ValueError for another form.
    """
    alternatives = tuple(tuple(alternative.split("+")) for alternative in line.split("|"))
    for alternative in alternatives:
        if len(set(alternative)) < len(alternative) or not all(map(CODE.fullmatch, alternative)):
            raise ValueError(f"{line!r} is not of the form CODE|CODE+CODE")
    return alternatives


def is_ordered_by_nodes(business: Business) -> bool:
    """Whether only a region's node may order the business."""
    return any(each.applicant == Applicant.APPLICANT_REGION for each in business.documents)


def required_lines(requirement: DocumentRequirement) -> tuple[RequiredLine, ...]:
    """The lines of a requirement. Raises ValueError for a line that `parse_alternatives` does not know."""
    return tuple(RequiredLine(line, parse_alternatives(line)) for line in requirement.all_of)


def documents_missing(lines: Iterable[RequiredLine], codes: set[str] | frozenset[str]) -> list[RequiredLine]:
    """The lines that the documents with these codes do not satisfy."""
    return [line for line in lines if not any(map(codes.issuperset, line.alternatives))]
