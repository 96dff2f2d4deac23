"""The persons on duty whom a notice about a level names, by the matrix of responsibility. Pure."""

from datetime import datetime

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.federation.body import Body, level_matter


def with_duty(raised: RaisedComplaint, body: Body, now: datetime) -> RaisedComplaint:
    """The notice with the code of the department, the person to call and those to inform.

    A body that has nobody leaves them out.
    """
    told = RaisedComplaint()
    told.CopyFrom(raised)
    told.department.CopyFrom(body.department_named(raised.department.name))
    region = raised.owner_region or raised.region
    department = told.department.code
    # A configuration of an earlier release has no row for the matters of issues and loans.
    level = level_matter(raised.level)
    parties = body.responsible(raised.matter, region, department) or body.responsible(level, region, department)
    if parties is None:
        return told
    duty = body.on_duty(*parties.lead, now)
    if duty.HasField("contact"):
        told.on_duty.CopyFrom(duty)
    told.helpers.extend(body.helpers_on_duty(parties, now))
    return told
