"""The access rules of RPCs, read from their options in the contract. Without roles nobody may call an RPC."""

from collections.abc import Callable, Iterable, Mapping

from google.protobuf.descriptor import Descriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.identity import Identity

_OF_ONE_REGION = (Role.ROLE_OPERATOR, Role.ROLE_STAFF)
# The services of gRPC itself cannot carry the option: every identity of the federation may use them, and no stranger.
_OF_GRPC = (
    health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
    reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].full_name,
)
LARGEST_REQUEST = 256 * 1024  # bytes, unless the RPC sets another number


class AccessRules:
    """The options of the methods of one server, by path (`/package.Service/Method`)."""

    def __init__(
        self,
        services: Iterable[ServiceDescriptor],
        own_region: str,
        require_member: Callable[[str, str], None] | None = None,
        require_scope: Callable[[str, str], None] | None = None,
        require_share: Callable[[str], None] | None = None,
        require_clock: Callable[[], None] | None = None,
    ) -> None:
        """`own_region` is the region of the server; empty for a coordinator.

        `require_member` raises Refused for a region that may not call a service at present, `require_scope` for an
        operator system whose scope does not contain a service, `require_share` for one that has had its share of the
        region; all by name. `require_clock` raises Refused where nothing may be dated at present.
        """
        methods = {f"/{service.full_name}/{method.name}": method for service in services for method in service.methods}
        options = {path: method.GetOptions().Extensions for path, method in methods.items()}
        self._dated = {
            path
            for path, method in methods.items()
            if method.GetOptions().idempotency_level != MethodOptions.NO_SIDE_EFFECTS
            and not options[path][access_pb2.by_any_clock]
        }
        self._requests = {path: method.input_type for path, method in methods.items()}
        self._allowed: Mapping[str, tuple[frozenset[Role.ValueType], str]] = {
            path: (frozenset(said[access_pb2.allow]), methods[path].containing_service.name)
            for path, said in options.items()
        }
        self._largest = {
            path: said[access_pb2.largest_request] for path, said in options.items() if said[access_pb2.largest_request]
        }
        self._without_staff = {path for path, said in options.items() if said[access_pb2.without_staff]}
        self._callers = frozenset[Role.ValueType]().union(*(roles for roles, _ in self._allowed.values()))
        self._own_region = own_region
        self._require_member = require_member
        self._require_scope = require_scope
        self._require_share = require_share
        self._require_clock = require_clock

    def require_begun(self, identity: Identity, method: str) -> None:
        """Raises as a call begins: as `require_allowed`, `require_share` for an operator system, and `require_clock`.

        A call that is open goes on beyond the share: it was begun within. A clock that was right steps no more.
        """
        self.require_allowed(identity, method)
        if self._require_share is not None and identity.role == Role.ROLE_OPERATOR and method in self._allowed:
            self._require_share(identity.name)
        if self._require_clock is not None and method in self._dated:
            self._require_clock()

    def require_allowed(self, identity: Identity, method: str) -> None:
        """Raises Refused with PERMISSION_DENIED unless the identity's role may call the method of this server.

        Raises as `require_member` for a region, and as `require_scope` for an operator system.
        """
        allowed = self._allowed.get(method)
        if allowed is not None:
            self.require_role(identity, allowed[0], method, allowed[1])
        elif not _is_of_grpc(method) or identity.role == Role.ROLE_JOINER:
            raise Refused(Reason.REASON_PERMISSION_DENIED, identity=identity.path, method=method)

    def require_role(self, identity: Identity, roles: frozenset[Role.ValueType], method: str, service: str) -> None:
        """Raises as `require_allowed` unless the identity has one of the roles and may use the service, by its name."""
        if not self._is_of(identity, roles):
            raise Refused(Reason.REASON_PERMISSION_DENIED, identity=identity.path, method=method)
        if self._require_member is not None and identity.role == Role.ROLE_REGION:
            self._require_member(identity.region, service)
        if self._require_scope is not None and identity.role == Role.ROLE_OPERATOR:
            self._require_scope(identity.name, service)

    def is_stranger(self, identity: Identity) -> bool:
        """Whether the identity may call none of the methods of this server, but gRPC's own."""
        return not self._is_of(identity, self._callers)

    def _is_of(self, identity: Identity, roles: frozenset[Role.ValueType]) -> bool:
        return identity.role in roles and (identity.role not in _OF_ONE_REGION or identity.region == self._own_region)

    def takes_turns(self, identity: Identity) -> bool:
        """Whether the identity is one of many that share the server: callers of a region a node, regions a coordinator.

        Others are few, or carry the work of many in lanes of their own.
        """
        return identity.role in _OF_ONE_REGION if self._own_region else identity.role == Role.ROLE_REGION

    def serves_without_staff(self, method: str) -> bool:
        """Whether the method serves an operator system in which no proven member of staff acts."""
        return method in self._without_staff or _is_of_grpc(method)

    def largest_request(self, method: str) -> int:
        """The most bytes of a request of the method, or of one message of its stream."""
        return self._largest.get(method, LARGEST_REQUEST)

    def request_of(self, method: str) -> Descriptor | None:
        """The message of a request of the method; None for a method of gRPC itself."""
        return self._requests.get(method)


def services_of(role: Role.ValueType, services: Iterable[ServiceDescriptor]) -> frozenset[str]:
    """The names of the services with a method that a role may call."""
    return frozenset(
        service.name
        for service in services
        if any(role in method.GetOptions().Extensions[access_pb2.allow] for method in service.methods)
    )


def _is_of_grpc(method: str) -> bool:
    return method[1:].rpartition("/")[0] in _OF_GRPC
