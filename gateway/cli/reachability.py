"""The server that a command calls, and a diagnosis of its connection errors by a second connection.

gRPC reports every failure before a call as UNAVAILABLE, with a text for its own developers.
"""

import socket
import ssl
from dataclasses import dataclass, field

import click
import grpc
from cryptography import x509
from google.protobuf.descriptor_pool import Default

from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.rpc.channels import Dialer
from gateway.security.tls import Credentials, command_options
from gateway.settings import host_of, require_address
from gateway.time.clock import SystemClock
from gateway.wording.languages import enumerated, translated

_SECONDS = 3.0  # for each step of a connection that is tried
_OLDER_TLS = ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL")  # of OpenSSL
_NO_ANSWER = (grpc.StatusCode.UNAVAILABLE.name, grpc.StatusCode.DEADLINE_EXCEEDED.name)
# OpenSSL's verification errors of a certificate (x509_vfy.h).
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME = 9, 10, 62


@dataclass(frozen=True)
class Choices:
    """The names of the user's own settings for a connection: options of a command, or keys of settings."""

    endpoint: str
    names: str
    """The options or keys that make the server name which the certificate must prove."""
    credentials: str


@dataclass(frozen=True)
class Diagnosis:
    """The reason why a server is not reached, and the remedy; both without a full stop."""

    cause: str
    todo: str


@dataclass(frozen=True)
class Server:
    """A server: its address, the name that it must prove, and the caller's identity."""

    endpoint: str
    name: str
    """Its DNS name, as `gateway.security.identity.server_name` has it."""
    credentials: Credentials
    choices: Choices
    staff_proof: str = field(default="", repr=False)
    """The proof of the member of staff who acts through the caller; empty without one."""

    def channel(self) -> grpc.aio.Channel:
        """Opens a channel to the server. Raises CredentialsUnusable."""
        dialer = Dialer(self.credentials, SystemClock(), self.staff_proof)
        return dialer.dial(self.endpoint, self.name, command_options)

    def told(self, status: str) -> str:
        """Describes why a call ended with a gRPC status and no reason of the contract: the attempt, and the remedy.

        Connects a second time where the call may not have arrived; this takes up to some seconds.
        """
        found = self.diagnosis(status)
        return translated(
            "no answer from {endpoint}, which has to prove that it is {name}: {problem}. To do: {todo}.",
            endpoint=self.endpoint,
            name=self.name,
            problem=found.cause,
            todo=found.todo,
        )

    def diagnosis(self, status: str) -> Diagnosis:
        """The same diagnosis as `told`, in parts."""
        if status not in _NO_ANSWER:
            return _ended(status)
        host, port = host_of(self.endpoint).strip("[]"), int(self.endpoint.rpartition(":")[2])
        try:
            with socket.create_connection((host, port), _SECONDS) as connection:
                return self._secured(connection) or _busy(status)
        except socket.gaierror:
            return Diagnosis(
                translated("the host {host} is not known", host=host),
                translated("correct {address}, or see to the name service", address=self.choices.endpoint),
            )
        except ConnectionRefusedError:
            return Diagnosis(
                translated("nothing listens there"),
                translated("start the server, or correct {address}", address=self.choices.endpoint),
            )
        except TimeoutError:
            return Diagnosis(
                translated("the machine does not answer"),
                translated("see to the network and its firewalls, or correct {address}", address=self.choices.endpoint),
            )
        except OSError as error:
            return Diagnosis(
                translated("no connection can be made: {problem}", problem=error.strerror),
                translated("see to the network, or correct {address}", address=self.choices.endpoint),
            )

    def _secured(self, connection: socket.socket) -> Diagnosis | None:
        """The error in the handshake; None where both sides accept each other."""
        try:
            with _context(self.credentials).wrap_socket(connection, server_hostname=self.name) as secured:
                return None if _accepts(secured) else self._turned_away()
        except ssl.SSLCertVerificationError as error:
            return self._not_accepted(error.verify_code)
        except TimeoutError:
            return Diagnosis(
                translated("what listens there accepts connections and says nothing"),
                translated("see whether the process hangs, or correct {address}", address=self.choices.endpoint),
            )
        except ssl.SSLError as error:
            if error.reason in _OLDER_TLS:
                return Diagnosis(
                    translated("what listens there does not speak TLS 1.3"),
                    translated("upgrade it, or correct {address}", address=self.choices.endpoint),
                )
            if "ALERT" in (error.reason or ""):
                return self._turned_away()
            return Diagnosis(
                translated("what listens there does not speak TLS"),
                translated("correct {address}", address=self.choices.endpoint),
            )

    def _not_accepted(self, code: int) -> Diagnosis:
        """Why the certificate of the server proves nothing, by OpenSSL's code."""
        if code in (_NOT_YET_VALID, _EXPIRED):
            return Diagnosis(
                translated("the certificate of the server is expired, or not valid yet"),
                translated("set the clocks right, or have its certificate renewed"),
            )
        if code == _OTHER_NAME:
            return Diagnosis(
                translated(
                    "{found} serves there, and not {name}", found=enumerated(self._shown_names()), name=self.name
                ),
                translated("correct {names} or {address}", names=self.choices.names, address=self.choices.endpoint),
            )
        return Diagnosis(
            translated(
                "its certificate is not of the authority in {file}",
                file=self.credentials.authority,
            ),
            translated(
                "name by {credentials} the certificates of this federation, or correct {address}",
                credentials=self.choices.credentials,
                address=self.choices.endpoint,
            ),
        )

    def _turned_away(self) -> Diagnosis:
        return Diagnosis(
            translated("the server does not accept the certificate {file}", file=self.credentials.certificate),
            translated(
                "have the authority of this federation issue you another, and name it by {credentials}",
                credentials=self.choices.credentials,
            ),
        )

    def _shown_names(self) -> list[str]:
        """The names in the certificate that the server presents, trusted or not. Raises OSError."""
        context = _context(self.credentials)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        host, _, port = self.endpoint.rpartition(":")
        with (
            socket.create_connection((host.strip("[]"), int(port)), _SECONDS) as connection,
            context.wrap_socket(connection) as secured,
        ):
            shown = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.DNSName)


def _accepts(secured: ssl.SSLSocket) -> bool:
    """Whether a server continues after the handshake: with TLS 1.3 it checks the caller's certificate only then."""
    try:
        return bool(secured.recv(1))
    except ssl.SSLError:
        return False
    except TimeoutError:
        return True  # the server waits for the caller's first message


def _context(credentials: Credentials) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(credentials.authority)
    context.load_cert_chain(credentials.certificate, credentials.key)
    context.set_alpn_protocols(["h2"])
    return context


def _busy(status: str) -> Diagnosis:
    """Of a server that is reached now."""
    if status == grpc.StatusCode.DEADLINE_EXCEEDED.name:
        return Diagnosis(
            translated("it is there, and did not answer in time"), translated("ask again, or look at its log")
        )
    return Diagnosis(translated("the call was cut off, and it is there now"), translated("ask again"))


def _ended(status: str) -> Diagnosis:
    """Of a server that was reached."""
    if status == grpc.StatusCode.UNIMPLEMENTED.name:
        return Diagnosis(translated("it does not know this call"), translated("use the version that the server has"))
    return Diagnosis(
        translated("the call was broken off"), translated("ask again, and look at its log where it happens again")
    )


def credentials_advice(choices: Choices) -> str:
    """The remedy for unusable credential files."""
    return translated(
        "{credentials} names the directory with authority.crt, tls.crt and tls.key, as the authority of the "
        "federation issues them.",
        credentials=choices.credentials,
    )


def for_whom(path: str) -> str:
    """The role whose credentials a method of the contract needs (`/package.Service/Method`).

    Empty for an unknown method, and for a method that only members may call.
    """
    try:
        method = Default().FindMethodByName(path.removeprefix("/").replace("/", "."))
    except KeyError:
        return ""
    allowed = set(method.GetOptions().Extensions[access_pb2.allow])
    if allowed >= {Role.ROLE_OPERATOR, Role.ROLE_STAFF}:
        return translated("Give the --credentials of an operator system or a member of staff of the node's region.")
    if Role.ROLE_OPERATOR in allowed:
        return translated("Give the --credentials of an operator system of the node's region.")
    if Role.ROLE_STAFF in allowed:
        return translated("Give the --credentials of a member of staff of the node's region.")
    if Role.ROLE_ADMIN in allowed:
        return translated("Give the --credentials of an administrator.")
    return ""


class EndpointType(click.ParamType[str]):
    """`host:port`."""

    name = "endpoint"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        try:
            require_address("", str(value))
        except ValueError:
            self.fail(translated("write it as HOST:PORT"), param, ctx)
        return str(value)
