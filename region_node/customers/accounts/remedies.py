"""The orders of money for complaints: their ids name the complaint, and so do the postings of their money. Pure."""

from collections.abc import Mapping, Sequence

from region_node.customers.accounts.rules import EntryKind


def request_id_of(ticket_id: str, attempt: int) -> str:
    """The request id of an order of money: the same attempt is the same order, however often it is made."""
    return f"{ticket_id.replace('/', '.')}.{attempt}"


def ticket_id_of(order_id: str) -> str:
    """The ticket id of the complaint behind a node's order; no part of a ticket id has a dot."""
    return order_id.rpartition("/")[2].rpartition(".")[0].replace(".", "/")


def tickets_of(entries: Sequence[tuple[str, EntryKind]]) -> Mapping[str, str]:
    """The ticket ids of the entries for complaints, by the ids of their postings, from ids and kinds of entries.

    Money that is paid out has an entry of its own beside that of the complaint.
    """
    causes = {posting_id: posting_id.partition("#")[0] for posting_id, _ in entries}
    orders = {causes[posting_id] for posting_id, kind in entries if kind is EntryKind.REMEDY}
    return {posting_id: ticket_id_of(cause) for posting_id, cause in causes.items() if cause in orders}
