"""The names of a shared record's fields in notices to customers."""

from gateway.api.federation.v1.configuration_pb2 import SharedField
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.wording.words import english
from region_node.customers.sharing.rules import Field
from region_node.node.texts import localized


def field_word(field: Field) -> LocalizedText:
    """A field in words, as the commands have them too."""
    return localized(english(SharedField.Name(field), "SHARED_FIELD_"))
