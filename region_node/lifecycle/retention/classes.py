"""The classes of data that this node purges."""

from collections.abc import Mapping

from gateway.api.federation.v1.configuration_pb2 import DataClass
from region_node.lifecycle.registry import Registry
from region_node.lifecycle.retention.purging_customers import EndedContacts, EndedCustomers
from region_node.lifecycle.retention.purging_envelopes import Envelopes, Requests
from region_node.lifecycle.retention.purging_rest import AuditTrail, ImpactRecords, Imports
from region_node.records.purging.port import Purger


def purgers(registry: Registry) -> Mapping[DataClass.ValueType, Purger]:
    """All purgers of this node, in their order: classes on which others depend come last."""
    return {
        DataClass.DATA_CLASS_ENVELOPES: Envelopes(registry.kinds),
        **{each: purger for kind in registry.kinds for each, purger in kind.retention.purgers.items()},
        DataClass.DATA_CLASS_REQUESTS: Requests(registry.kinds),
        DataClass.DATA_CLASS_IMPORTS: Imports(),
        DataClass.DATA_CLASS_IMPACT_RECORDS: ImpactRecords(),
        DataClass.DATA_CLASS_OTHER_CONTACTS: EndedContacts(),
        DataClass.DATA_CLASS_ENDED_CUSTOMERS: EndedCustomers(registry),
        DataClass.DATA_CLASS_AUDIT_TRAIL: AuditTrail(),
    }
