"""mTLS and the channel arguments that both ends of every connection use."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self, cast

import grpc
from cryptography import x509

from gateway.security.alternative_names import dns_names_of, uris_of
from gateway.security.authority import AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY
from gateway.security.identity import Identity
from gateway.security.peers import has_issued
from gateway.security.private_keys import KeyUnusable, pem_key
from gateway.time.clock import Clock
from gateway.wording.languages import enumerated, translated
from gateway.wording.times import told_time

ChannelOptions = Sequence[tuple[str, int | str]]

# The largest message in bytes, both ways: a whole configuration fits. A server's border refuses far smaller requests,
# with a reason, by what their RPCs say (`gateway.rpc.access`).
MAX_MESSAGE_BYTES = 16 * 1024 * 1024

_SECOND_MS = 1000
_MINUTE_MS = 60 * _SECOND_MS
# A dead peer is noticed in 40 s although a firewall drops packets silently.
_KEEPALIVE_MS = 30 * _SECOND_MS
_KEEPALIVE_TIMEOUT_MS = 10 * _SECOND_MS
# Between members a call or a stream also detects a frozen process whose kernel still acknowledges, within 2.6 s: a
# Watch at a frozen coordinator moves on, and a call to the only process of a peer is given up. Each ping wakes the
# threads of both ends many times. Of several processes, a call detects it sooner: `gateway.rpc.channels.Replicas.call`.
_MEMBER_KEEPALIVE_MS = 2 * _SECOND_MS
_MEMBER_KEEPALIVE_TIMEOUT_MS = 600
# Servers must allow pings more often than clients send them, else they disconnect with too_many_pings.
_LEAST_PING_INTERVAL_MS = 200
# Connections end now and then, so that peers present their present certificates and replicas share the load.
CONNECTION_AGE_MS = 20 * _MINUTE_MS
CONNECTION_GRACE_MS = _MINUTE_MS
# A connection without a call for so long ends, within twice the time: each holds an open file and memory.
CONNECTION_IDLE_MS = _MINUTE_MS
# The channels of this program end theirs before, in the same way: so no call meets the end of its connection.
_CHANNEL_IDLE_MS = 25 * _SECOND_MS
# A connecting client must finish its handshake soon or lose its place.
HANDSHAKE_MS = 10 * _SECOND_MS
# Of one connection. A stream that has ended counts until its call has been taken: gRPC refuses further ones, of callers
# who reset theirs and of busy ones alike. So a connection has no less than a caller has calls.
MAX_CONCURRENT_STREAMS = 1024
JOINER_STREAMS = 4  # of one connection
# Of all strangers: beyond them, their connections would take the open files by which members are served.
_JOINER_CONNECTIONS = 4096
_JOINER_MESSAGE_BYTES = 64 * 1024
# Calls that no handler has taken yet. gRPC drops further ones as CANCELLED, by chance from the first figure on, and
# names no reason; a server that takes them refuses with one (TOO_BUSY, CALLS_TOO_MANY).
_MAX_PENDING_CALLS = 16 * MAX_CONCURRENT_STREAMS
# Seconds after which gRPC drops one of them in the same way, half a minute unless it is told: behind a flood an honest
# call may wait for longer. Its own deadline says for how long.
_MAX_PENDING_SECONDS = 3600
# The bits of gRPC's compression algorithms by their numbers: of these, none. A few kilobytes would become the largest
# message before anybody could ask who sends them.
_UNCOMPRESSED = 1 << 0
# After an outage of a minute the default back-off waits another 16 s; these bounds, half a second.
_RECONNECT_MIN_MS = 200
_RECONNECT_MAX_MS = _SECOND_MS
# gRPC abandons an attempt after this shortest time between two: it leaves time for a busy or distant server's
# handshake.
_CONNECT_MS = _SECOND_MS
# A command has one connection, and nobody repeats its call: a server that has just started, or a busy machine, gets
# more time for the handshake and for an answer to a ping.
_COMMAND_CONNECT_MS = 5 * _SECOND_MS
_COMMAND_KEEPALIVE_TIMEOUT_MS = 3 * _SECOND_MS


class CredentialsUnusable(Exception):
    """A file is missing, unreadable, expired, or does not fit the others; the text has the file and the reason."""


@dataclass(frozen=True)
class Loaded:
    """The contents (PEM) of credentials that were found usable."""

    authority: bytes
    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Credentials:
    """The files of the trusted authority, the process's certificate and its private key, all PEM."""

    authority: Path
    """The certificate of the authority that others are trusted by."""
    certificate: Path
    """The certificate that this process shows."""
    key: Path
    """The private key of that certificate."""

    @classmethod
    def within(cls, directory: Path) -> Self:
        """The files in a directory, by the names under which the authority issues them."""
        return cls(directory / AUTHORITY_CERTIFICATE, directory / TLS_CERTIFICATE, directory / TLS_KEY)

    def in_use(self, now: datetime) -> "Credentials":
        """The files to show at an aware time: these."""
        return self

    def load(self, now: datetime) -> Loaded:
        """Reads and checks the files in use. `now` is aware. Raises CredentialsUnusable."""
        files = self.in_use(now)
        loaded = Loaded(_read(files.authority), _read(files.certificate), _read(files.key))
        authorities = _certificates(files.authority, loaded.authority)
        own = _certificates(files.certificate, loaded.certificate)[0]
        if not any(_fault_of_time(each, now) is None for each in authorities):
            raise CredentialsUnusable(f"{files.authority}: {_fault_of_time(authorities[0], now)}")
        if (fault := _fault_of_time(own, now)) is not None:
            raise CredentialsUnusable(f"{files.certificate}: {fault}")
        try:
            fits = pem_key(files.key, loaded.key).public_key() == own.public_key()
        except KeyUnusable as error:
            raise CredentialsUnusable(str(error)) from error
        if not fits:
            raise CredentialsUnusable(
                translated("{path}: is not the key of {certificate}", path=files.key, certificate=files.certificate)
            )
        return loaded

    def end(self, now: datetime) -> datetime:
        """The end of the certificate in use, of an issuer behind it, or of the authority that ends last: the first.

        `now` is aware. Raises CredentialsUnusable.
        """
        authorities = _certificates(self.authority, _read(self.authority))
        return min(max(each.not_valid_after_utc for each in authorities), end_of(self.in_use(now).certificate))

    def begin(self, now: datetime) -> datetime:
        """The begin of the certificate in use. `now` is aware. Raises CredentialsUnusable."""
        certificate = self.in_use(now).certificate
        return _certificates(certificate, _read(certificate))[0].not_valid_before_utc

    def names(self) -> list[str]:
        """The URIs that the certificate names. Raises CredentialsUnusable."""
        return uris_of(_certificates(self.certificate, _read(self.certificate))[0])

    def require_identity(self, identity: Identity) -> None:
        """Raises CredentialsUnusable unless the certificate names exactly this member."""
        uris = self.names()
        if uris != [identity.uri]:
            raise CredentialsUnusable(
                translated(
                    "{path}: names {named}, but the settings say {uri}",
                    path=self.certificate,
                    named=enumerated(uris) or translated("nobody"),
                    uri=identity.uri,
                )
            )

    def stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        """A value that changes when a file is replaced, written or removed; cheap to read."""
        return tuple(_stamp(path) for path in (self.authority, self.certificate, self.key))


@dataclass(frozen=True)
class RenewedCredentials(Credentials):
    """Credentials as they were issued, and beside them those that their process renews.

    In use is the pair whose certificate begins last, of those that can be used: other issued files take over at once.
    An issued certificate that proves a name which the renewed one lacks stays in use for as long as it can.
    """

    directory: Path
    """Where the process writes the renewed pair; made where it is missing."""

    @classmethod
    def of(cls, issued: Credentials, directory: Path) -> Self:
        """The files as they were issued, with the directory of the renewed ones."""
        return cls(issued.authority, issued.certificate, issued.key, directory)

    @property
    def renewed(self) -> Credentials:
        """The files that the process has renewed, or will."""
        return Credentials(self.authority, self.directory / TLS_CERTIFICATE, self.directory / TLS_KEY)

    def in_use(self, now: datetime) -> Credentials:
        """The files to show at an aware time; those that were issued, where none can be used."""
        issued = Credentials(self.authority, self.certificate, self.key)
        own, renewed = _usable(issued, now), _usable(self.renewed, now)
        if renewed is None or (own is not None and not _succeeds(renewed, own)):
            return issued
        return self.renewed

    def stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        """As of other credentials, for both pairs."""
        return (*super().stamp(), *self.renewed.stamp())


def _usable(credentials: Credentials, now: datetime) -> x509.Certificate | None:
    """The certificate, where an authority in the file stands behind it: a rotation of authorities ends the others."""
    try:
        loaded = credentials.load(now)
    except CredentialsUnusable:
        return None
    chain = x509.load_pem_x509_certificates(loaded.certificate)
    authorities = x509.load_pem_x509_certificates(loaded.authority)
    return chain[0] if any(has_issued(each, chain[-1]) for each in authorities) else None


def _succeeds(renewed: x509.Certificate, issued: x509.Certificate) -> bool:
    lost = {*uris_of(issued), *dns_names_of(issued)}.difference(uris_of(renewed), dns_names_of(renewed))
    return not lost and renewed.not_valid_before_utc > issued.not_valid_before_utc


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsUnusable(f"{path}: {error.strerror}") from error


def _certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise CredentialsUnusable(translated("{path}: holds no certificate that can be read", path=path)) from error


def end_of(certificates: Path) -> datetime:
    """The first end among the certificates of a file. Raises CredentialsUnusable."""
    return min(each.not_valid_after_utc for each in _certificates(certificates, _read(certificates)))


def _fault_of_time(certificate: x509.Certificate, now: datetime) -> str | None:
    if now < certificate.not_valid_before_utc:
        return translated("is not valid before {time}", time=told_time(certificate.not_valid_before_utc))
    if now > certificate.not_valid_after_utc:
        return translated("expired at {time}", time=told_time(certificate.not_valid_after_utc))
    return None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ino, status.st_size)


class _Reloading:
    """Gives gRPC the certificates of one port, read again when their files have changed."""

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._log = logging.getLogger(__name__)
        self._served = self._refused = credentials.stamp()
        self.initial = _configuration(credentials.load(clock.now()))

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new server credentials; None for no change.

        Never raises: unusable files, such as a half replaced pair, wait for a later call. gRPC swaps its credentials at
        each response other than None. It does so without a lock against handshakes in its other threads. A change must
        therefore be rare.
        """
        # The stamp is older than the content read next, so a file that changes meanwhile is read once more.
        stamp = self._credentials.stamp()
        if stamp == self._served:
            return None
        try:
            loaded = self._credentials.load(self._clock.now())
        except CredentialsUnusable as error:
            if stamp != self._refused:
                self._refused = stamp
                self._log.warning("serving on with the former certificate: %s", error)
            return None
        self._served = stamp
        served = self._credentials.in_use(self._clock.now())
        self._log.info("serving with the certificate now in %s", served.certificate)
        return _configuration(loaded)


def _configuration(loaded: Loaded) -> grpc.ServerCertificateConfiguration:
    pair = (loaded.key, loaded.certificate)
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=loaded.authority)


def server_credentials(
    credentials: Credentials, clock: Clock, *, requires_certificate: bool = True
) -> grpc.ServerCredentials:
    """The credentials of a server's port, which requires a certificate of the authority from every client.

    `requires_certificate` is False for the port of those who have none yet. New connections use replaced files. Raises
    CredentialsUnusable without usable files now.
    """
    reloading = _Reloading(credentials, clock)
    # The stubs leave out None, which gRPC documents.
    changed = cast("Callable[[], grpc.ServerCertificateConfiguration]", reloading.changed)
    return grpc.dynamic_ssl_server_credentials(reloading.initial, changed, requires_certificate)


def client_credentials(credentials: Credentials, now: datetime, staff_proof: str = "") -> grpc.ChannelCredentials:
    """The credentials of a client, from the current files (aware time). Raises CredentialsUnusable.

    `staff_proof` proves who acts in each call of an operator system; it travels as `authorization: Bearer`. A channel
    keeps both: when `Credentials.stamp` changes, or the proof ends, make a new channel.
    """
    loaded = credentials.load(now)
    own = grpc.ssl_channel_credentials(loaded.authority, loaded.key, loaded.certificate)
    if not staff_proof:
        return own
    return grpc.composite_channel_credentials(own, grpc.access_token_call_credentials(staff_proof))


def joiner_credentials(authority: bytes) -> grpc.ChannelCredentials:
    """The credentials of a client that has no certificate yet, and trusts these authorities (PEM)."""
    return grpc.ssl_channel_credentials(authority)


def server_options() -> ChannelOptions:
    """The arguments of every server."""
    return [
        *_common_options(_KEEPALIVE_MS, _KEEPALIVE_TIMEOUT_MS, without_calls=True),
        # A second process on the port must fail to start, not take half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_concurrent_streams", MAX_CONCURRENT_STREAMS),
        ("grpc.server.max_pending_requests", _MAX_PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", _MAX_PENDING_CALLS),
        ("grpc.server_max_unrequested_time_in_server", _MAX_PENDING_SECONDS),
        ("grpc.compression_enabled_algorithms_bitset", _UNCOMPRESSED),
        ("grpc.http2.min_ping_interval_without_data_ms", _LEAST_PING_INTERVAL_MS),
        # Pings that a slow network delivers together are no offence, since their sender is authenticated.
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.max_connection_idle_ms", CONNECTION_IDLE_MS),
        ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
        ("grpc.max_connection_age_grace_ms", CONNECTION_GRACE_MS),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
    ]


def joiner_options() -> ChannelOptions:
    """Arguments of a server for those who have no certificate yet: small requests, and few and short connections."""
    return [
        ("grpc.max_receive_message_length", _JOINER_MESSAGE_BYTES),
        ("grpc.max_concurrent_streams", JOINER_STREAMS),
        ("grpc.max_allowed_incoming_connections", _JOINER_CONNECTIONS),
        ("grpc.max_connection_idle_ms", HANDSHAKE_MS),
        ("grpc.max_connection_age_ms", _MINUTE_MS),
        ("grpc.max_connection_age_grace_ms", HANDSHAKE_MS),
    ]


def client_options(name: str) -> ChannelOptions:
    """The arguments of a client's channel to the server with this name (`gateway.security.identity.server_name`)."""
    return _channel_options(name, _KEEPALIVE_MS, _KEEPALIVE_TIMEOUT_MS, without_calls=True)


def member_options(name: str) -> ChannelOptions:
    """As `client_options`, for a channel between members: a call gives up soon a peer that no longer answers.

    A channel without calls is silent.
    """
    return _channel_options(name, _MEMBER_KEEPALIVE_MS, _MEMBER_KEEPALIVE_TIMEOUT_MS, without_calls=False)


def command_options(name: str) -> ChannelOptions:
    """As `member_options`, for the one call of a command."""
    return _channel_options(
        name,
        _MEMBER_KEEPALIVE_MS,
        _COMMAND_KEEPALIVE_TIMEOUT_MS,
        without_calls=False,
        connect_ms=_COMMAND_CONNECT_MS,
    )


def _channel_options(
    name: str, keepalive_ms: int, timeout_ms: int, *, without_calls: bool, connect_ms: int = _CONNECT_MS
) -> ChannelOptions:
    return [
        *_common_options(keepalive_ms, timeout_ms, without_calls=without_calls),
        ("grpc.ssl_target_name_override", name),
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MIN_MS),
        ("grpc.min_reconnect_backoff_ms", connect_ms),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_MAX_MS),
        ("grpc.client_idle_timeout_ms", _CHANNEL_IDLE_MS),
        # Zero would also switch off the transparent retries of calls that never left; ours are in the relay.
        ("grpc.enable_retries", 1),
        ("grpc.service_config_disable_resolution", 1),
        # Members dial each other; an HTTP proxy of the environment is none of them.
        ("grpc.enable_http_proxy", 0),
    ]


def _common_options(keepalive_ms: int, timeout_ms: int, *, without_calls: bool) -> ChannelOptions:
    return [
        ("grpc.keepalive_time_ms", keepalive_ms),
        ("grpc.keepalive_timeout_ms", timeout_ms),
        # gRPC 1.82 uses this timeout for ping responses, a minute by default, and not the option above.
        ("grpc.http2.ping_timeout_ms", timeout_ms),
        ("grpc.keepalive_permit_without_calls", int(without_calls)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]
