"""Tokens of SoftHSM, each with keys that a test knows: `pytest_plugins` has its fixture."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.process.files import create_file
from gateway.security import tokens
from gateway.security.private_keys import PrivateKey, private_pem

LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")
VARIABLE = "SOFTHSM2_CONF"
PIN = "314159-26535"


@dataclass
class Token:
    """A token of its own, which can be taken away."""

    store: Path
    """The directory of all tokens of this worker."""
    own: Path
    """The directory of this one, for its files."""
    label: str
    pin_file: Path = field(init=False)

    def __post_init__(self) -> None:
        before = set(self.store.iterdir())
        _run("--init-token", "--free", "--label", self.label, "--so-pin", PIN, "--pin", PIN)
        (self._place,) = set(self.store.iterdir()) - before
        self.pin_file = self.own / f"{self.label}.pin"
        create_file(self.pin_file, f"{PIN}\n".encode())

    def ed25519(self, name: str) -> Path:
        """The file that names a new Ed25519 key."""
        return self.hold(name, Ed25519PrivateKey.generate())

    def p256(self, name: str) -> Path:
        """The file that names a new ECDSA key on P-256."""
        return self.hold(name, ec.generate_private_key(ec.SECP256R1()))

    def hold(self, name: str, key: PrivateKey, file: Path | None = None, *, number: str = "") -> Path:
        """Puts a key into the token; returns the file that names it."""
        pem = self.own / f"{self.label}-{name}.pem"
        pem.write_bytes(private_pem(key))
        number = number or name.encode().hex()
        _run("--import", str(pem), "--token", self.label, "--label", name, "--id", number, "--pin", PIN)
        pem.unlink()
        return self.naming(file or self.own / f"{name}.key", f"token={self.label};object={name}")

    def naming(self, file: Path, path: str, query: str = "") -> Path:
        """A file with a URI of this path, closed to others."""
        asked = query or f"module-path={LIBRARY}&pin-source=file:{self.pin_file}"
        file.unlink(missing_ok=True)
        create_file(file, f"pkcs11:{path}?{asked}\n".encode())
        return file

    def forget(self) -> None:
        """Ends the login of this process, as its end would."""
        library = tokens._library(LIBRARY)
        library.begin_anew()
        library._next_look = 0.0

    def take_away(self) -> None:
        """Removes the token, as a card is pulled."""
        shutil.move(self._place, self.own / "taken")

    def bring_back(self) -> None:
        """Puts it back."""
        shutil.move(self.own / "taken", self._place)


@pytest.fixture(scope="session", name="softhsm")
def softhsm_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of the tokens of this worker, whose processes find them by a variable."""
    if shutil.which("softhsm2-util") is None:
        pytest.skip("not there: run deploy/build/services.sh softhsm2")
    directory = tmp_path_factory.mktemp("softhsm")
    store, settings = directory / "tokens", directory / "softhsm2.conf"
    store.mkdir()
    settings.write_text(f"directories.tokendir = {store}\nobjectstore.backend = file\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(VARIABLE, str(settings))
        yield store


@pytest.fixture(name="token")
def a_token(softhsm: Path, tmp_path: Path) -> Token:
    """A fresh token, which nobody has missed."""
    tokens._library(LIBRARY)._next_look = 0.0
    return Token(softhsm, tmp_path, f"token {uuid4().hex[:12]}")


def _run(*arguments: str) -> None:
    subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)
