"""The names of a shared record's fields in notices to customers."""

from pathlib import Path

from gateway.api.federation.v1.configuration_pb2 import SharedField
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.wording.languages import in_both_languages
from gateway.wording.words import english
from region_node.customers.sharing.rules import Field

_TEXTS = Path(__file__).parents[2] / "texts"


def field_word(field: Field) -> LocalizedText:
    """A field in words, as the commands have them too."""
    return in_both_languages(english(SharedField.Name(field), "SHARED_FIELD_"), _TEXTS)
