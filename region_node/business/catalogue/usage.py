"""How much a line is used: the mean of its last billed months, from the records of billing."""

from gateway.api.federation.v1.configuration_pb2 import Allowance
from gateway.api.region.v1.billing_service_pb2 import UsageKind
from gateway.store.port import Transaction
from region_node.customers.rows import Line

MONTHS = 3
_KIBIBYTES = 1024  # of a mebibyte


def mean_usage(tx: Transaction, line: Line) -> Allowance | None:
    """The mean usage of the last three billed months, or of fewer, rounded up; None without a billed month.

    A part of a minute counts as a whole minute, call by call, as on the bill.
    """
    months = tx.all(
        str,
        "SELECT month FROM bills WHERE account_id = :account ORDER BY month DESC LIMIT :months",
        account=line.account_id,
        months=MONTHS,
    )
    if not months:
        return None
    used = dict(
        tx.all(
            lambda kind, quantity: (kind, quantity),
            "SELECT kind, CAST(SUM(CASE WHEN kind = :call THEN (quantity + 59) / 60 ELSE quantity END) AS BIGINT)"
            " FROM usage_records WHERE product_id = :product AND month >= :first AND month <= :last GROUP BY kind",
            call=UsageKind.USAGE_KIND_CALL,
            product=line.product_id,
            first=months[-1],
            last=months[0],
        )
    )

    def mean(kind: UsageKind.ValueType, unit: int = 1) -> int:
        return int(-(-used.get(kind, 0) // (unit * len(months))))

    return Allowance(
        minutes=mean(UsageKind.USAGE_KIND_CALL),
        messages=mean(UsageKind.USAGE_KIND_MESSAGE),
        mebibytes=mean(UsageKind.USAGE_KIND_DATA, _KIBIBYTES),
    )
