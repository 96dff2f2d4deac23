"""Lists of tickets by their contact, from nodes of this version and of earlier ones."""

import click
import pytest

from region_node.cli.listed_contacts import require_contacts

CONTACT = "+8613912345678"


def test_a_list_without_a_contact_or_with_none_but_that_contact_is_shown() -> None:
    require_contacts("", [CONTACT, ""])
    require_contacts("139 1234 5678", [CONTACT, CONTACT])
    require_contacts(CONTACT, [])


@pytest.mark.parametrize("contact", [CONTACT, "13912345678", "nobody"])
def test_a_list_of_a_node_that_ignores_the_contact_is_not_shown_as_the_tickets_of_that_contact(contact: str) -> None:
    with pytest.raises(click.ClickException, match="earlier version"):
        require_contacts(contact, [CONTACT, ""])
