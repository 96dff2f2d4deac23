"""Calls of this region's own callers about its lines, counted in the same way as those of other regions."""

import contextlib
from datetime import datetime
from typing import TypeVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, is_temporary
from gateway.store.port import Operation, Store, Transaction
from region_node.customers.verification.bounds import require_few_unknown
from region_node.customers.verification.rules import Shown
from region_node.node.context import RegionContext
from region_node.requests.dealings import Dealer, count_failure, count_line

T = TypeVar("T")
_UNCOUNTED = frozenset({Reason.REASON_REQUEST_INVALID, Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY})


def _never(tx: Transaction) -> None:
    """The result of an earlier call of a request that can have none."""


class OwnReadings:
    """Readings and changes of one customer of this region, each in a transaction."""

    def __init__(self, context: RegionContext, store: Store) -> None:
        self._context = context
        self._store = store

    async def write(
        self,
        dealer: Dealer,
        shown: Shown,
        now: datetime,
        operation: Operation[T],
        known: Operation[T | None] = _never,
    ) -> T:
        """The result of an operation, counted as a dealing with the line unless the customer has proven it.

        A dealer that has named too many unknown numbers, and shows no proof of the customer, is refused before anything
        is read. Other lasting refusals but those of the form count as failures. A number of another region counts at
        its home. The id of a customer or a product is no number: `shown` has none, and no unknown number is counted.
        Raises as the operation, and as `require_few_unknown`.

        `known` is the result of an earlier call with the same request id, else None. A repeat has no bound, and is no
        dealing.
        """
        is_counted = self._is_counted(shown.number)

        def counted(tx: Transaction) -> T:
            earlier = known(tx)
            if earlier is not None:
                return earlier
            if not is_counted:
                return operation(tx)
            require_few_unknown(tx, self._context, dealer, shown, now)
            result = operation(tx)
            if not shown.is_proven:
                count_line(tx, dealer, now)
            return result

        try:
            return await self._store.write(counted)
        except Refused as refused:
            if is_counted and refused.reason not in _UNCOUNTED and not is_temporary(refused.reason):
                reason = refused.reason if shown.number else Reason.REASON_UNSPECIFIED
                await count_apart(self._store, dealer, now, reason)
            raise

    def _is_counted(self, number: str) -> bool:
        """Whether a call counts here. Before the first configuration there is no bound."""
        try:
            plan = self._context.federation.number_plan
        except Refused:  # CONFIGURATION_MISSING
            return False
        return not number or plan.home_of(number) == self._context.region


async def count_apart(store: Store, dealer: Dealer, now: datetime, reason: Reason.ValueType) -> None:
    """Counts a failure after the refused transaction, if the store can: the caller learns of that refusal alone."""
    with contextlib.suppress(Refused):
        await store.write(lambda tx: count_failure(tx, dealer, now, reason))
