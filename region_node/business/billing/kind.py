"""Registration of accounts for erasure, retention and sealing."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.values.money import in_major_units
from region_node.business.billing.bill_events import forget_bill_events
from region_node.business.billing.purging import UsageAndBills
from region_node.business.billing.readings import BILL_LIMIT
from region_node.business.billing.usage import seal_clear_usage
from region_node.customers.accounts import ledger
from region_node.node.context import RegionContext
from region_node.records.kinds import Customer, ErasurePort, RecordKind, RetentionPort


def _require_settled(tx: Transaction, context: RegionContext, customer: Customer) -> None:
    balances = (ledger.balance(tx, account) for account in customer.accounts)
    unsettled = next((balance for balance in balances if balance), 0)
    if unsettled:
        raise Refused(Reason.REASON_CUSTOMER_HAS_BALANCE, amount=in_major_units(unsettled, context.currency))


ACCOUNTS = RecordKind(
    "account",
    ErasurePort(require_erasable=_require_settled, forget={"customer": forget_bill_events}),
    retention=RetentionPort(purgers={DataClass.DATA_CLASS_USAGE_AND_BILLS: UsageAndBills()}, forget=BILL_LIMIT.forget),
    row_migrations={"usage_records": seal_clear_usage},
)
