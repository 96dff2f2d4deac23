"""What somebody with the password of a repository reads in its files, also where no backup needs it any more."""

import base64
import hashlib
import json
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

_NONCE, _TAG = 16, 16  # bytes around what is encrypted, as restic's design document has it
_LENGTH = 4  # bytes of the length of a pack's header, at its end
_ENTRY = 37  # bytes of an entry there: type, length, SHA-256


def make_readable(repository: Path, password: Path) -> None:
    """Makes an empty repository whose content is encrypted, and not compressed."""
    words = ("--repo", str(repository), "--password-file", str(password), "init", "--repository-version", "1")
    subprocess.run(["restic", *words], check=True, capture_output=True)


def content_of(repository: Path, password: Path) -> bytes:
    """Everything in the packs of a repository that `make_readable` has made."""
    secret = password.read_bytes().strip()
    (file,) = (repository / "keys").iterdir()
    told = json.loads(file.read_bytes())
    salt, cost = base64.b64decode(told["salt"]), {"n": told["N"], "r": told["r"], "p": told["p"]}
    key = hashlib.scrypt(secret, salt=salt, **cost, maxmem=1 << 28, dklen=64)
    master = json.loads(_opened(key[:32], base64.b64decode(told["data"])))
    encrypting = base64.b64decode(master["encrypt"])
    packs = (path.read_bytes() for path in (repository / "data").rglob("*") if path.is_file())
    return b"".join(part for pack in packs for part in _parts(encrypting, pack))


def _parts(key: bytes, pack: bytes) -> list[bytes]:
    length = int.from_bytes(pack[-_LENGTH:], "little")
    header, place, parts = _opened(key, pack[-_LENGTH - length : -_LENGTH]), 0, list[bytes]()
    for start in range(0, len(header), _ENTRY):
        size = int.from_bytes(header[start + 1 : start + 5], "little")
        parts.append(_opened(key, pack[place : place + size]))
        place += size
    return parts


def _opened(key: bytes, sealed: bytes) -> bytes:
    return Cipher(AES(key), CTR(sealed[:_NONCE])).decryptor().update(sealed[_NONCE:-_TAG])
