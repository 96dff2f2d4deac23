"""The page on which staff take in a ticket for a customer: its form, and the fields for the customer's numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.web.console.entries import Entry, Field, entry
from gateway.web.console.lists import TextFilter
from gateway.web.console.pages import Shown, Visit
from gateway.wording.languages import translated
from region_node.console.lists import NUMBER

_LONGEST_NUMBER = 32  # characters, of which a number in any writing has fewer


@dataclass(frozen=True)
class FilingPage:
    """The page as `filing.html.j2` shows it."""

    entry: Entry
    search: TextFilter | None = None
    """The filter of the values to choose from; None where the form has all."""
    apply: str = ""
    number: str = field(default="", repr=False)
    """The number in the address, which a search keeps."""
    warnings: Sequence[str] = ()

    def shown(self, tab: str) -> Shown:
        """The page below the heading of its form."""
        return Shown("filing.html.j2", self.entry.heading, self, tab)


def number_field(visit: Visit, name: str, label: str, *, is_required: bool) -> Field:
    """The field for the customer's number, with that of the address."""
    return Field(name, "line", label, visit.query.text(NUMBER), _LONGEST_NUMBER, is_required)


def contact_field(name: str) -> Field:
    """The field for the number that receives the notices."""
    label = translated("Number for notices, if another one")
    return Field(name, "line", label, longest=_LONGEST_NUMBER, is_required=False)


def filing_entry(visit: Visit, act: str, heading: str, fields: Sequence[Field], numbers: Sequence[str]) -> Entry:
    """The form of a ticket, whose fields have their names in the request.

    `numbers` are the names of those for numbers, in the order in which these are read. The refusal of a message of the
    request stands at its first field.
    """

    def concerns(refused: Refused, name: str) -> bool:
        if refused.reason == Reason.REASON_NUMBER_INVALID:
            wrong = refused.parameters.get("number")
            return name == next((each for each in numbers if visit.form.text(each) == wrong), "")
        said = refused.parameters.get("field", "")
        return name == next((each.name for each in fields if f"{each.name}.".startswith(f"{said}.")), "")

    return entry(visit, act, heading, translated("Submit"), fields, concerns)
