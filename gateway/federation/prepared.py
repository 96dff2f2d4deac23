"""A business of the catalogue in the form in which checks look things up. Pure."""

from typing import Final

from gateway.api.federation.v1.configuration_pb2 import Business
from gateway.federation.documents import required_lines


class PreparedBusiness:
    """A business of one revision, read once for all the orders of that revision. Immutable.

    Raises ValueError for a line of documents that `parse_alternatives` does not know.
    """

    def __init__(self, business: Business) -> None:
        self.business: Final = business
        """The business as the catalogue has it: shared, and not to be changed."""
        self.code: Final = business.code
        self.documents: Final = {each.applicant: required_lines(each) for each in business.documents}
        """The lines of required documents of each applicant that the catalogue lists."""
        self.freshness: Final = business.document_freshness.ToTimedelta()
        """How long a document counts after its verification."""
        self.preconditions: Final = tuple(business.preconditions)
        self.characteristics: Final = {each.name: each for each in business.characteristics}
        self.bounded_amounts: Final = tuple(
            (each.name, each.at_most) for each in business.characteristics if each.at_most
        )
        """The names of the amounts that a policy bounds, each with the name of its policy."""
