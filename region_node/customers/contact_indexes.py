"""The keyed index of the number of a ticket's contact, by which lists select: the column `contact_index`.

The number itself is sealed with the ticket. It may be that of a customer of any region, or of nobody's line.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from gateway.store.port import Transaction, Value
from gateway.store.vault import SealBroken
from region_node.customers.erased_numbers import is_of_another_home
from region_node.customers.known_statuses import is_restricted, statuses_of
from region_node.customers.status import ERASED
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index
from region_node.records.listing import Selection
from region_node.records.stored import M, R, Records

CONTACT_INDEX = "contact_index"
_MOST_READ = 100  # tickets with one contact, of which the first readable one names the number
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ContactIndexes(Generic[M, R]):
    """The indexes of the tickets of one kind. `number_of` gives the number of a ticket's contact, empty for none."""

    records: Records[M, R]
    number_of: Callable[[M], str]

    def column(self, tx: Transaction, ticket: M) -> Mapping[str, Value]:
        """The column of a new ticket."""
        return {CONTACT_INDEX: number_index(tx, self.number_of(ticket))}

    def select(self, tx: Transaction, listed: Selection, number: str) -> None:
        """Restricts a list to the tickets whose contact has a number; an empty one restricts nothing.

        The number of a restricted customer finds none, as it finds none about its line.
        """
        listed.of_number(tx, number, CONTACT_INDEX)
        if number and is_restricted(tx, number):
            listed.only("1 = 0")

    def fill(self, tx: Transaction, context: RegionContext, limit: int) -> int:
        """See RowFill. No unreadable ticket gets an index, and none gets that of a customer known to be erased.

        Raises Refused before the first configuration.
        """
        table, key = self.records.table, self.records.key
        names = tx.all(
            str,
            f"SELECT {key} FROM {table} WHERE {CONTACT_INDEX} IS NULL ORDER BY {key} LIMIT :limit",  # noqa: S608 - names of modules
            limit=limit,
        )
        numbers = {name: self.number_of(each) for name, each in self._readable(tx, names).items()}
        known = statuses_of(tx, list(numbers.values()))
        said = {each.number_index for each in known if each.status == ERASED}
        by_number = {each: number_index(tx, each) for each in set(numbers.values())}
        erased = {
            each for each, index in by_number.items() if index in said and not is_of_another_home(tx, context, each)
        }
        indexes = {name: by_number[each] for name, each in numbers.items() if each not in erased}
        tx.execute_many(
            f"UPDATE {table} SET {CONTACT_INDEX} = :contact WHERE {key} = :name",  # noqa: S608 - names of modules
            [{"name": each, "contact": indexes.get(each, "")} for each in names],
        )
        return len(names)

    def forget_number(self, tx: Transaction, index: str) -> None:
        """Removes the index of an erased customer's number from the tickets of others."""
        tx.execute(
            f"UPDATE {self.records.table} SET {CONTACT_INDEX} = ''"  # noqa: S608 - names of modules
            f" WHERE {CONTACT_INDEX} = :contact AND {CONTACT_INDEX} <> ''",
            contact=index,
        )

    def forget_left(self, tx: Transaction, context: RegionContext, home: str, index: str) -> None:
        """See ErasurePort.forget_index."""
        number = self._number_with(tx, index)
        if not number or not is_of_another_home(tx, context, number, home):
            self.forget_number(tx, index)

    def _number_with(self, tx: Transaction, index: str) -> str:
        """The number with an index, as a readable ticket names it; empty without one."""
        table, key = self.records.table, self.records.key
        names = tx.all(
            str,
            f"SELECT {key} FROM {table} WHERE {CONTACT_INDEX} = :contact AND {CONTACT_INDEX} <> ''"  # noqa: S608 - names of modules
            f" ORDER BY create_time DESC, {key} DESC LIMIT :limit",
            contact=index,
            limit=_MOST_READ,
        )
        found = (self.number_of(each) for name in names for each in self._readable(tx, [name]).values())
        return next(found, "")

    def _readable(self, tx: Transaction, names: Sequence[str]) -> Mapping[str, M]:
        """Tickets by id. An altered one ends no process: it is for the checks of the database."""
        try:
            return self.records.read_all(tx, names)
        except SealBroken:
            if len(names) == 1:
                _log.exception("%s %s names no contact", self.records.table, names[0])
                return {}
        return {name: each for one in names for name, each in self._readable(tx, [one]).items()}
