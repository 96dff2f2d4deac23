"""Checks the signature of one envelope or receipt. Needs Python 3.11 and the library cryptography, no more.

    python check_proof.py PROOF --authority authority.crt

The file is a JSON object: `kind` ("envelope" or "receipt"), `region` (the signer), `content` and `signature` (base64 of
the bytes that travelled), and `certificate` (PEM, the region's signing certificate of that time). The certificate is
empty where the writer of the file did not have it; `--certificate` then names a file with it.

The signature is Ed25519 over a domain, a zero byte and the content, if the content was signed alone. Else it is over
the size and the root of a hash tree (RFC 9162, 2.1), and the path from the content to the root follows it. A path shows
hashes of neighbours and nothing else of them: each content has a secret salt.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# The numbers of the fields of a signed content: the signer, and the time of the signature.
KINDS = {"envelope": (2, 6), "receipt": (3, 9)}
SIGNATURE, SALT, NUMBER, HASH = 64, 16, 2, 32  # bytes
Json = dict[str, Any]
Fields = dict[int, Any]


class Wrong(Exception):
    """The error in the proof."""


def signed_bytes(kind: str, content: bytes, proof: bytes) -> tuple[bytes, int]:
    """The bytes under the signature, and the number of contents that were signed together."""
    if len(proof) <= SIGNATURE:
        return f"crossregion.{kind}.v1".encode() + b"\0" + content, 1
    salt, sizes, path = proof[SIGNATURE:80], proof[80:84], proof[84:]
    size, index = (int.from_bytes(sizes[at : at + NUMBER], "big") for at in (0, NUMBER))
    if len(sizes) != 2 * NUMBER or len(path) % HASH or index >= size:
        raise Wrong("the signature is cut off, or names no place in a tree")
    found, last = hashlib.sha256(b"\0" + salt + content).digest(), size - 1
    neighbours = [path[at : at + HASH] for at in range(0, len(path), HASH)]
    while last:
        if index % 2 or index < last:
            if not neighbours:
                raise Wrong("the path to the root is too short")
            pair = (neighbours[0], found) if index % 2 else (found, neighbours[0])
            found, neighbours = hashlib.sha256(b"\1" + b"".join(pair)).digest(), neighbours[1:]
        index, last = index // 2, last // 2
    if neighbours:
        raise Wrong("the path to the root is too long")
    return f"crossregion.{kind}-tree.v1".encode() + b"\0" + size.to_bytes(NUMBER, "big") + found, size


def fields_of(message: bytes) -> Fields:
    """The fields of a protobuf message by their numbers: bytes, or a whole number."""
    found, at = Fields(), 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte, at = message[at], at + 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = number()
        kind = tag & 7
        if kind == 0:
            found[tag >> 3] = number()
            continue
        if kind not in (1, 2, 5):
            raise Wrong("the content is no message")
        length = number() if kind == 2 else {1: 8, 5: 4}[kind]
        found[tag >> 3], at = message[at : at + length], at + length
        if at > len(message):
            raise Wrong("the content is cut off")
    return found


def key_of(certificate: x509.Certificate, region: str, authorities: list[x509.Certificate]) -> Ed25519PublicKey:
    """The signing key of a region, as certified by the federation's authority."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        owners = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, x509.DuplicateExtension):
        owners = []
    if len(owners) != 1 or not re.fullmatch(f"spiffe://[^/]+/region/{re.escape(region)}", owners[0]):
        raise Wrong(f"the certificate is not that of {region}")
    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            continue
        key = certificate.public_key()
        if isinstance(key, Ed25519PublicKey):
            return key
        raise Wrong("the key of the certificate signs no contents")
    raise Wrong(f"the certificate of {region} is not of this authority")


def check(proof: Json, authorities: list[x509.Certificate]) -> list[str]:
    """The proven facts. Raises Wrong."""
    kind, region = proof["kind"], proof["region"]
    if kind not in KINDS:
        raise Wrong("this is neither an envelope nor a receipt")
    if not proof["certificate"]:
        raise Wrong(f"the file lacks the certificate of {region}: add --certificate with that of its time")
    content, signature = (base64.b64decode(proof[name], validate=True) for name in ("content", "signature"))
    certificate = x509.load_pem_x509_certificate(proof["certificate"].encode())
    signed, together = signed_bytes(kind, content, signature)
    try:
        key_of(certificate, region, authorities).verify(signature[:SIGNATURE], signed)
    except InvalidSignature:
        raise Wrong(f"the signature is not that of {region}") from None

    fields = fields_of(content)
    signer, signing_time = KINDS[kind]
    envelope_id, origin, destination = (fields[number].decode() for number in (1, 2, 3))
    if fields[signer].decode() != region:
        raise Wrong(f"{region} has signed it in the name of {fields[signer].decode()}")
    time = datetime.fromtimestamp(fields_of(fields[signing_time]).get(1, 0), UTC)
    if not certificate.not_valid_before_utc <= time <= certificate.not_valid_after_utc:
        raise Wrong(f"the certificate was not valid at {time:%Y-%m-%d %H:%M:%S} UTC")
    told = [
        f"{kind} signed by {region}, " + ("alone" if together == 1 else f"one of {together} of one commit"),
        f"id {envelope_id!r}, from {origin!r} to {destination!r}",
        f"time {time:%Y-%m-%d %H:%M:%S} UTC, by the clock of {region}",
        f"SHA-256 of the content {hashlib.sha256(content).hexdigest()}",
    ]
    if kind == "receipt":
        told.append(f"SHA-256 of the content of the answered envelope {fields[4].hex()}")
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Checks the signature of one envelope or receipt.")
    parser.add_argument("proof")
    parser.add_argument("--authority", required=True, help="the certificate of the federation's authority, PEM")
    parser.add_argument("--certificate", help="the signing certificate, PEM, for a file without one")
    arguments = parser.parse_args()
    try:
        with open(arguments.authority, "rb") as file, open(arguments.proof, encoding="utf-8") as shown:
            authority, told = x509.load_pem_x509_certificates(file.read()), json.load(shown)
        if arguments.certificate and not told["certificate"]:
            with open(arguments.certificate, encoding="ascii") as certificate:
                told["certificate"] = certificate.read()
        print("\n".join(check(told, authority)))
    except (Wrong, LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        sys.exit(f"NOT PROVEN: {error}")
