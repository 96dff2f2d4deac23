"""The person on duty whom a notice about a level names, by the matrix of responsibility. Pure."""

from datetime import datetime

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.federation.body import Body, level_matter


def with_duty(raised: RaisedComplaint, body: Body, now: datetime) -> RaisedComplaint:
    """The notice with the code of the department and the person to call; without a person for a body that has none."""
    told = RaisedComplaint()
    told.CopyFrom(raised)
    told.department.CopyFrom(body.department_named(raised.department.name))
    region = raised.owner_region or raised.region
    department = told.department.code
    # A configuration of an earlier release has no row for the matters of issues and loans.
    duty = body.lead_on_duty(raised.matter, region, department, now) or body.lead_on_duty(
        level_matter(raised.level), region, department, now
    )
    if duty is not None and duty.HasField("contact"):
        told.on_duty.CopyFrom(duty)
    return told
