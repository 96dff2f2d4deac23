"""The certificates of a federation under test, good ones and bad ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc

from gateway.security.authority import Authority, Issued
from gateway.security.identity import parse
from gateway.security.region_keys import KeySet
from gateway.security.staff_proofs import LONGEST_STATEMENT, statement_for
from gateway.security.tls import Credentials, client_options
from region_node.node.settings import SigningFiles

FEDERATION = "crossregion.example"  # as in the shipped files
DOCUMENT_KEY = bytes(range(32))  # of the hashes of papers, which all systems of a region share
_YEARS = timedelta(days=3650)  # tests move the clock, never past this
_DAY = timedelta(days=1)


def new_authority() -> Authority:
    """An authority for the federation's name; two of them do not know each other."""
    now = datetime.now(UTC)
    return Authority.create(FEDERATION, now - _YEARS - _DAY, now + _YEARS + _DAY)


class Certificates:
    """The authority of one federation, and the files of its members."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.authority = new_authority()

    def credentials(self, path: str) -> Credentials:
        """The TLS files of the member at a path such as `region/sichuan`, issued when first asked for."""
        directory = self._directory(path)
        return Credentials(directory / "authority.crt", directory / "tls.crt", directory / "tls.key")

    def statement(self, path: str, staff: str) -> str:
        """The statement by which a member of staff acts through the operator system at `path`, from now on."""
        region, name = path.split("/")[1], path.rpartition("/")[2]
        own = self.credentials(f"region/{region}/staff/{staff}")
        return statement_for(own, name, datetime.now(UTC), LONGEST_STATEMENT)

    def signing(self, path: str) -> SigningFiles:
        """The signing files of a region."""
        directory = self._directory(path)
        return SigningFiles(directory / "signing.crt", directory / "signing.key")

    def keys(self, path: str) -> Path:
        """The file of a region's keys for what it stores."""
        return self._directory(path) / "region.keys"

    def issue_tls(self, path: str, *, by: Authority | None = None, ended: timedelta = -_DAY) -> Issued:
        """A TLS certificate whose life ended so long ago, by another authority if one is given."""
        now = datetime.now(UTC)
        identity = parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)
        return (by or self.authority).issue_tls(identity, now - 2 * _DAY, now - ended)

    def dial_with(self, issued: Issued, endpoint: str, server_name: str) -> grpc.aio.Channel:
        """A channel with any certificate at all: an attacker checks nothing before it dials."""
        trusted = self.authority.certificate_pem
        credentials = grpc.ssl_channel_credentials(trusted, issued.key_pem, issued.certificate_pem)
        return grpc.aio.secure_channel(endpoint, credentials, options=client_options(server_name))

    def _directory(self, path: str) -> Path:
        directory = self._root / path.replace("/", "_")
        if not directory.exists():
            now = datetime.now(UTC)
            identity = parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)
            self.authority.issue(identity, now - _YEARS, now + _YEARS).write(directory)
            KeySet.new().save(directory / "region.keys")
        return directory


def written_document_key(directory: Path) -> Path:
    """The file of the key of documents in a directory."""
    path = directory / "documents.key"
    path.write_bytes(DOCUMENT_KEY)
    return path
