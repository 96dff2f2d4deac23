"""The registration of faults for erasure, legal holds and retention."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from region_node.customers.contact_indexes import CONTACT_INDEX
from region_node.network.faults import rules
from region_node.network.faults.rows import CONTACTS, EVENTS, FAULT, KIND, forget_waivers
from region_node.tickets.kind import TicketKind

FAULTS = TicketKind(
    KIND,
    FAULT,
    counter="fault_number",
    purged="purged_faults",
    ended=rules.ENDED,
    changed=(EVENTS.table, "time"),
    home_column="home_region",
    events=EVENTS,
    forget=forget_waivers,
    indexed=("fault_waivers",),
    forget_user=CONTACTS.forget_number,
    forget_index=CONTACTS.forget_left,
    indexes=("number_index", CONTACT_INDEX),
    row_fills=(CONTACTS.fill,),
).registered(DataClass.DATA_CLASS_FAULTS)
