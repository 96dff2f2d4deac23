"""The limit of bills that another region reads by papers alone in a day, at the home region of the customers."""

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.federation.body import BILL_READINGS
from region_node.customers.disclosures.daily_limits import DailyLimit

BILL_LIMIT = DailyLimit(BILL_READINGS, Reason.REASON_BILL_READING_LIMIT_REACHED, "bill_readings", "AlertOfBillReadings")
"""A code or a password of the customer is no reading by papers."""
