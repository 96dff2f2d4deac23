"""The registration of disclosures and consents for retention."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from region_node.customers.sharing.duty_readings import DUTY_LIMIT
from region_node.customers.sharing.purging import Consents, Disclosures
from region_node.records.kinds import RecordKind, RetentionPort

SHARING = RecordKind(
    "sharing",
    retention=RetentionPort(
        purgers={DataClass.DATA_CLASS_DISCLOSURES: Disclosures(), DataClass.DATA_CLASS_CONSENTS: Consents()},
        forget=DUTY_LIMIT.forget,
    ),
)
