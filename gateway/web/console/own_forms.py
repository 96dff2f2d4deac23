"""The forms that browsers send to a console."""

import asyncio

from aiohttp import web

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.rpc.request_streams import PATIENCE
from gateway.web.bodies import whole_body
from gateway.web.console.fields import FORM_TYPE, Fields


def require_own_origin(request: web.Request) -> None:
    """Raises Refused with FORM_UNTRUSTED for a form of another site: browsers name the origin of every form."""
    if request.headers.get("Origin", "").lower() != f"https://{request.host}".lower():
        raise Refused(Reason.REASON_FORM_UNTRUSTED)


async def form_of(request: web.Request) -> Fields:
    """The form of a request. Raises Refused for another body, and with REQUEST_NOT_SENT for one that does not come."""
    if request.content_type != FORM_TYPE or "Content-Encoding" in request.headers:
        raise invalid("body", f"is no {FORM_TYPE}", f"不是{FORM_TYPE}")
    try:
        async with asyncio.timeout(PATIENCE):
            data = await whole_body(request)
    except TimeoutError:
        raise Refused(Reason.REASON_REQUEST_NOT_SENT, seconds=f"{PATIENCE:.0f}") from None
    if not data.isascii():
        raise invalid("body", f"is no {FORM_TYPE}", f"不是{FORM_TYPE}")
    return Fields.parsed(data.decode("ascii"))
