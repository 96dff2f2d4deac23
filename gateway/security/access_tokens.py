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
    """The operator system of a client by the scopes of the region; None unless one scope alone names it."""

    def operator(self, token: str, now: datetime) -> Identity:
        """The operator system that sends a token. `now` is aware.

        Raises TokenInvalid, also for a token that counts only with a key of its sender (`cnf`, RFC 7800).
        """
        claims = self.server.verified(token, now, LONGEST_TOKEN).claims
        if "cnf" in claims:
            raise TokenInvalid("it is bound to a key; come by a certificate", "该令牌绑定密钥，请使用证书")
        name = self.server.name_claim
        client = claims.get(name)
        if not isinstance(client, str) or not client:
            raise TokenInvalid(f"its claim {name} names no client", f"其{name}声明未载明客户端")
        operator = self.operator_of(client)
        if operator is None:
            raise TokenInvalid(
                "no scope of this region's operator systems, or more than one, has its client as client_id",
                "本地区没有或有多个业务系统的权限范围以其客户端为client_id",
            )
        try:
            return Identity(self.node.federation, Role.ROLE_OPERATOR, self.node.region, operator)
        except ValueError:
            raise TokenInvalid(
                "the name of its client is no name of an operator system", "其客户端的名称不能作为业务系统的名称"
            ) from None


def refused(error: TokenInvalid) -> Refused:
    """ACCESS_TOKEN_INVALID with the problem in both languages."""
    return Refused(Reason.REASON_ACCESS_TOKEN_INVALID, **problem_of(error))
