"""What can be purged, class by class."""

from collections.abc import Mapping

from gateway.api.federation.v1.configuration_pb2 import DataClass
from region_node.lifecycle.retention.port import Purger
from region_node.lifecycle.retention.purging_agreements import Agreements
from region_node.lifecycle.retention.purging_complaints import Complaints
from region_node.lifecycle.retention.purging_consents import Consents
from region_node.lifecycle.retention.purging_customers import EndedCustomers
from region_node.lifecycle.retention.purging_faults import Faults
from region_node.lifecycle.retention.purging_network import Alarms, MeasurementDays, MeasurementHours, Measurements
from region_node.lifecycle.retention.purging_orders import Envelopes, OrderEvents, Orders, Requests
from region_node.lifecycle.retention.purging_rest import (
    AuditTrail,
    ImpactRecords,
    Imports,
    Notices,
    UsageAndBills,
    Verification,
)
from region_node.lifecycle.retention.purging_shared import Disclosures, Documents, Uploads
from region_node.lifecycle.retention.purging_support import SupportRequests


def purgers() -> Mapping[DataClass.ValueType, Purger]:
    """All that this node can purge, in the order in which it does: what others depend on comes last."""
    return {
        DataClass.DATA_CLASS_ENVELOPES: Envelopes(),
        DataClass.DATA_CLASS_ORDERS: Orders(),
        DataClass.DATA_CLASS_COMPLAINTS: Complaints(),
        DataClass.DATA_CLASS_AGREEMENTS: Agreements(),
        DataClass.DATA_CLASS_FAULTS: Faults(),
        DataClass.DATA_CLASS_SUPPORT_REQUESTS: SupportRequests(),
        DataClass.DATA_CLASS_REQUESTS: Requests(),
        DataClass.DATA_CLASS_ORDER_EVENTS: OrderEvents(),
        DataClass.DATA_CLASS_NOTICES: Notices(),
        DataClass.DATA_CLASS_DISCLOSURES: Disclosures(),
        DataClass.DATA_CLASS_CONSENTS: Consents(),
        DataClass.DATA_CLASS_DOCUMENTS: Documents(),
        DataClass.DATA_CLASS_UPLOADS: Uploads(),
        DataClass.DATA_CLASS_IMPORTS: Imports(),
        DataClass.DATA_CLASS_VERIFICATION: Verification(),
        DataClass.DATA_CLASS_IMPACT_RECORDS: ImpactRecords(),
        DataClass.DATA_CLASS_USAGE_AND_BILLS: UsageAndBills(),
        DataClass.DATA_CLASS_ENDED_CUSTOMERS: EndedCustomers(),
        DataClass.DATA_CLASS_MEASUREMENTS: Measurements(),
        DataClass.DATA_CLASS_MEASUREMENT_HOURS: MeasurementHours(),
        DataClass.DATA_CLASS_MEASUREMENT_DAYS: MeasurementDays(),
        DataClass.DATA_CLASS_ALARMS: Alarms(),
        DataClass.DATA_CLASS_AUDIT_TRAIL: AuditTrail(),
    }
