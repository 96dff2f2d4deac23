"""The changes that a revision of the configuration has brought, for commands and pages that name no other revision."""

from collections.abc import Awaitable, Callable

from gateway.api.coordinator.v1.administration_pb2 import CompareRevisionsRequest, CompareRevisionsResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused


async def changes_of(
    compare: Callable[[CompareRevisionsRequest], Awaitable[CompareRevisionsResponse]], revision: int
) -> tuple[int, CompareRevisionsResponse]:
    """The revision before, and what changed since; the revision itself and no change where the registry begins with it.

    `compare` calls ConfigurationService.CompareRevisions. Raises Refused.
    """
    before = max(1, revision - 1)
    try:
        return before, await compare(CompareRevisionsRequest(from_revision=before, to_revision=revision))
    except Refused as error:
        if not is_of_no_revision(error):
            raise
    return revision, await compare(CompareRevisionsRequest(from_revision=revision, to_revision=revision))


def is_of_no_revision(refused: Refused) -> bool:
    """Whether a comparison was refused since the registry has not its first revision: it began from a later anchor."""
    return refused.reason == Reason.REASON_REQUEST_INVALID and refused.parameters.get("field") == "from_revision"
