"""The callers of a process by HTTPS: by certificates, and by access tokens where the region admits systems by them."""

from aiohttp import web

from gateway.security.access_tokens import AccessTokens, refused
from gateway.security.peers import Caller, without_certificate
from gateway.security.provider_tokens import TokenInvalid, bearer_token
from gateway.time.clock import Clock
from gateway.web.server import Callers, certificates_of


def callers_of(tokens: AccessTokens | None, clock: Clock) -> Callers:
    """Finds the caller of a request. `clock` is the machine's.

    It raises Refused with ACCESS_TOKEN_INVALID for a caller without a certificate and without a token that counts. A
    certificate counts first: beside it, the token is the proof of a member of staff.
    """
    if tokens is None:
        return certificates_of

    def caller(request: web.Request) -> Caller:
        certificates = certificates_of(request)
        if certificates:
            return certificates
        try:
            token = bearer_token(request.headers.getall("Authorization", ()))
            return without_certificate(tokens.operator(token, clock.now()))
        except TokenInvalid as error:
            raise refused(error) from None

    return caller
