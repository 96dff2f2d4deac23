"""The papers that staff have seen at the counter: the fields of a form, and the documents that a request attests."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused, invalid
from gateway.time.clock import to_timestamp
from gateway.web.console.entries import Field, is_named
from gateway.web.console.pages import Visit
from gateway.wording.languages import translated
from gateway.wording.terms import material_name
from region_node.customers.documents.rules import hash_of_paper, in_one_form
from region_node.customers.verification.rules import CHECKED_AT_HOME

PREFIX = "paper."
"""The beginning of the names of the fields, which end with the code of the material."""
SEEN = "seen"
"""The hidden field with the time of the page: a form that is sent twice attests the same."""
_LONGEST = 64  # characters of the number of a paper


@dataclass(frozen=True)
class Papers:
    """Papers under the key for their hashes, which all systems of the region share; None where the node has none."""

    key: bytes | None = field(repr=False)

    def fields(self, visit: Visit, codes: Iterable[str]) -> Sequence[Field]:
        """A field for the number of each paper with one of the codes, and the time of the page.

        Codes and passwords, which the home region checks, are none.
        """
        if self.key is None:
            return ()
        shown = [each for each in dict.fromkeys(codes) if each not in CHECKED_AT_HOME]
        numbers = [
            Field(
                f"{PREFIX}{code}",
                "line",
                translated("{name}: its number", name=material_name(code)),
                longest=_LONGEST,
                is_required=False,
            )
            for code in shown
        ]
        return [*numbers, Field(SEEN, "hidden", "", to_timestamp(visit.now).ToJsonString())]

    def documents(self, visit: Visit) -> Sequence[Document]:
        """The papers of a form, attested by the person of the visit. Raises Refused."""
        numbers = visit.form.beginning(PREFIX)
        if not numbers:
            return ()
        if self.key is None:
            raise invalid(f"{PREFIX}{next(iter(numbers))}", "this node has no key of documents", "本节点未配置材料密钥")
        for code, number in numbers.items():
            if not in_one_form(number):
                raise invalid(f"{PREFIX}{code}", "is no number", "不是编号")
        seen, person = _seen(visit), visit.person.name
        return [
            Document(code=code, verifier=person, verify_time=seen, keyed_hash=hash_of_paper(self.key, code, number))
            for code, number in numbers.items()
        ]


def concerns(refused: Refused, name: str) -> bool:
    """Whether a refusal is about the field of a name: that of a paper, or one that it names."""
    told = refused.parameters
    # A missing document is told as the catalogue has it: `ID_ORIG|PWD+OTP`.
    said = f"{told.get('documents', '')} {told.get('document', '')}"
    codes = said.replace("|", " ").replace("+", " ").replace(",", " ").split()
    return is_named(refused, name) or (name.startswith(PREFIX) and name.removeprefix(PREFIX) in codes)


def _seen(visit: Visit) -> Timestamp:
    found = Timestamp()
    try:
        found.FromJsonString(visit.form.text(SEEN))
    except (ValueError, OverflowError):
        raise invalid(SEEN, "is no time", "不是时间") from None
    return found
