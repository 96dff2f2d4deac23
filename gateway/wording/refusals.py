"""Refusals in the words of a person: regions and documents have the names of the federation."""

from collections.abc import Mapping

from gateway.api.region.v1.order_pb2 import OrderError
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import text
from gateway.wording.languages import in_language
from gateway.wording.terms import with_names


def told_refusal(reason: Reason.ValueType, parameters: Mapping[str, str]) -> str:
    """The text of a refusal in the language of the reader, with names in place of ids and codes."""
    return in_language(text(reason, with_names(parameters)))


def told_error(error: OrderError) -> str:
    """The text of a stored refusal as `told_refusal`; empty for none.

    A stored text stays where this version words it otherwise: something was added, or its region has another version.
    """
    if error.message == text(error.reason, error.parameters):
        return told_refusal(error.reason, error.parameters)
    return in_language(error.message)
