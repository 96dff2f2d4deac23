"""Access tokens of operator systems that come without a certificate (OAuth 2, RFC 6750 and RFC 9068)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, problem_of
from gateway.security.identity import Identity
from gateway.security.provider_tokens import LONGEST_TOKEN, IdentityProvider, TokenInvalid


@dataclass(frozen=True)
class AccessTokens:
    """Finds the operator system of a token, as its region's authorization server names it."""

    server: IdentityProvider
    """The authorization server; its claim has the name of the client."""
    node: Identity
    """The region that the operator systems belong to."""
    operator_of: Callable[[str], str | None]
    """The operator system of a client by the scopes of the region; None for a client that is none."""

    def operator(self, token: str, now: datetime) -> Identity:
        """The operator system that sends a token. `now` is aware.

        Raises TokenInvalid, also for a token that counts only with a key of its sender (`cnf`, RFC 7800).
        """
        claims = self.server.verified(token, now, LONGEST_TOKEN).claims
        if "cnf" in claims:
            raise TokenInvalid("it is bound to a key; come by a certificate", "该令牌绑定密钥，请使用证书")
        client = claims.get(self.server.name_claim)
        operator = self.operator_of(client) if isinstance(client, str) else None
        try:
            return Identity(self.node.federation, Role.ROLE_OPERATOR, self.node.region, operator or "")
        except ValueError:
            raise TokenInvalid(
                "no scope of this region's operator systems has its client as client_id",
                "本地区业务系统的权限范围均未以其客户端为client_id",
            ) from None


def refused(error: TokenInvalid) -> Refused:
    """ACCESS_TOKEN_INVALID with the problem in both languages."""
    return Refused(Reason.REASON_ACCESS_TOKEN_INVALID, **problem_of(error))
