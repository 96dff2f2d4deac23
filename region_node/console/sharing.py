"""The decisions and the disclosures of a customer, as tables of a page."""

from gateway.api.region.v1.sharing_service_pb2 import (
    Disclosure,
    GrantState,
    ListDisclosuresResponse,
    ListGrantsResponse,
)
from gateway.errors import reason_name
from gateway.web.tables import Cell, Table
from gateway.wording.languages import in_language, translated
from gateway.wording.sharing import disclosed, shared_fields, who_looked
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import value_word
from region_node.console.words import cut_caption


def consents(answer: ListGrantsResponse) -> Table:
    """The decisions of a customer on sharing, the newest first."""
    return Table(
        label=translated("Consents to sharing"),
        head=[
            Cell(translated("Purpose"), "col"),
            Cell(translated("Region that may read"), "col"),
            Cell(translated("State"), "col"),
            Cell(translated("Begins"), "col"),
            Cell(translated("Ends"), "col"),
            Cell(translated("Fields"), "col"),
        ],
        rows=[
            [
                Cell(in_language(each.purpose_title) or each.purpose, "row", note=each.id),
                Cell(region_name(each.reader)),
                Cell(value_word(GrantState.DESCRIPTOR, each.state)),
                Cell(told_if_set(each.start_time), style="time"),
                Cell(told_if_set(each.withdraw_time) or told_if_set(each.end_time), style="time"),
                Cell(shared_fields(each.fields)),
            ]
            for each in answer.grants
        ],
        caption=cut_caption(translated("The newest first."), len(answer.grants), has_more=bool(answer.next_page_token)),
    )


def disclosures(answer: ListDisclosuresResponse) -> Table:
    """The readings of a customer's data, also those that were refused; the newest first."""
    found = answer.disclosures
    return Table(
        label=translated("Disclosures"),
        head=[
            Cell(translated("Date and time"), "col"),
            Cell(translated("Data"), "col"),
            Cell(translated("Who"), "col"),
            Cell(translated("Purpose"), "col"),
            Cell(translated("Shown"), "col"),
        ],
        rows=[
            [
                Cell(told_time(each.time), "row"),
                Cell(disclosed(each)),
                Cell(region_name(each.region), note=who_looked(each)),
                Cell(in_language(each.purpose_title) or each.purpose, note=each.particulars.reference),
                _shown(each),
            ]
            for each in found
        ],
        caption=cut_caption(translated("The newest first."), len(found), has_more=bool(answer.next_page_token)),
    )


def _shown(disclosure: Disclosure) -> Cell:
    """The fields that were shown, and below them those that were masked."""
    if disclosure.refused:
        return Cell(translated("refused"), badge="calm", note=reason_name(disclosure.refused))
    masked = shared_fields(disclosure.masked)
    note = translated("masked: {fields}", fields=masked) if masked else ""
    return Cell(shared_fields(disclosure.shown), note=note)
