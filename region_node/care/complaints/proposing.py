"""The category of a complaint at filing: named, or proposed from the words of the text. Pure.

Without a clear proposal, the complaint goes to the classification desk.
"""

from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.api.region.v1.complaint_pb2 import (
    ClassifiedBy,
    ComplaintCandidate,
    ComplaintClassification,
    ComplaintRequest,
)
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.time.clock import to_timestamp
from region_node.node.context import RegionContext

DESK = LocalizedText(zh_cn="投诉归类岗", en="Classification desk")
"""The holder of an unclassified complaint."""
SEVERITY = ComplaintSeverity.COMPLAINT_SEVERITY_S3
"""The severity of an unclassified complaint, that of an ordinary one.

A lower severity would delay the complaint, with the same legal limit. A later higher severity counts the used time.
"""
_MOST_WORDS = 8  # of a candidate that are kept: further ones decide nothing


def classification(
    context: RegionContext, request: ComplaintRequest, home: str | None, now: datetime
) -> ComplaintClassification:
    """The stored classification of a filing; without a setting the desk has to set one.

    The strictest of the origin's and the home region's confidence counts. Raises Refused with
    COMPLAINT_CATEGORY_UNKNOWN for a named category that does not exist.
    """
    if request.category:
        context.federation.complaint_category(request.category)
        found = ComplaintClassification()
        author = f"{context.region}/{request.requester.staff_id}"
        note_setting(found, request.category, ClassifiedBy.CLASSIFIED_BY_FILING, author, now)
        return found
    regions = sorted({context.region, home or context.region})
    proposal = context.federation.propose_complaint_category(request.description, regions)
    found = ComplaintClassification(
        proposed_category=proposal.category,
        confidence=proposal.confidence,
        candidates=[
            ComplaintCandidate(category=each.category, confidence=each.confidence, words=each.words[:_MOST_WORDS])
            for each in proposal.candidates
        ],
    )
    if proposal.category:
        note_setting(found, proposal.category, ClassifiedBy.CLASSIFIED_BY_WORDS, context.region, now)
    return found


def category_set(found: ComplaintClassification) -> str:
    """The category that was set last; empty where none was."""
    return found.settings[-1].category if found.settings else ""


def note_setting(
    found: ComplaintClassification, category: str, set_by: ClassifiedBy.ValueType, author: str, now: datetime
) -> None:
    """Stores the author and the time of a category."""
    found.settings.add(category=category, set_by=set_by, author=author, time=to_timestamp(now))
