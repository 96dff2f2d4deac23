"""Checks a file that `region-node audit export` has written. Needs Python 3.11 and the library cryptography, no more.

    python check_export.py EXPORT --authority authority.crt

The file holds the audit chain of a region from some row on: rows about one customer as they are, all others as digests.
Each row's hash is SHA-256 over the hash before it and the digest of the row, and the digest is SHA-256 over the row's
salt and fields, each behind its length. The end of the chain is signed by the region; other regions, its witnesses,
have signed what they saw of it earlier. So no row shown here can have been altered, added, removed or moved since the
witnesses saw it, unless region and witnesses did it together. That none of the digests hides another row about the
customer is what the region says; it can be made to open any of them.
"""

import argparse
import base64
import hashlib
import json
import sys
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

FORMAT = "crossregion-audit-export/1"
Json = dict[str, Any]


class Wrong(Exception):
    """The error in the file."""


def digest_of(row: Json) -> bytes:
    """The digest of a shown row in the chain."""
    names = ("sequence", "time", "actor", "action", "subject", "detail")
    digest = hashlib.sha256()
    for field in (bytes.fromhex(row["salt"]), *(str(row[name]).encode() for name in names)):
        digest.update(len(field).to_bytes(4, "big") + field)
    return digest.digest()


def names_missing(row: Json, expected: int) -> bool:
    """Whether the region has lost rows of its database, and says so by this row of the chain."""
    named = f"rows {expected} to {row['sequence'] - 1} do not exist: "
    is_loss = row["action"] == "DATABASE_BEHIND" and row["sequence"] > expected
    return is_loss and str(row["detail"]).startswith(named)


def walk(header: Json, lines: list[Json]) -> tuple[dict[int, str], list[Json]]:
    """The chain made again: the hash of every row, and the rows that are shown."""
    sequence, current = header["after"]["sequence"], bytes.fromhex(header["after"]["hash"])
    hashes, shown = {}, []
    for line in lines:
        if "row" in line:
            row = line["row"]
            is_loss = names_missing(row, sequence + 1)
            if row["sequence"] != sequence + 1 and not is_loss:
                raise Wrong(f"row {row['sequence']} stands where row {sequence + 1} must be")
            if not is_loss and not header["from"] <= row["time"] < header["to"]:
                raise Wrong(f"row {row['sequence']} is not of the period")
            if is_loss:
                sequence = row["sequence"] - 1
            else:
                shown.append(row)
            digests = [digest_of(row)]
        else:
            digests = [bytes.fromhex(each) for each in line["digests"]]
        for digest in digests:
            sequence, current = sequence + 1, hashlib.sha256(current + digest).digest()
            hashes[sequence] = current.hex()
    return hashes, shown


def losses_of(lines: list[Json]) -> list[str]:
    """The rows that do not exist, as the region names them."""
    rows = [line["row"] for line in lines if "row" in line]
    return [row["detail"] for row in rows if row["action"] == "DATABASE_BEHIND"]


def key_of(end: Json, region: str, federation: str, authorities: list[x509.Certificate]) -> Any:  # noqa: ANN401
    """The signing key of a region, as certified by the federation's authority."""
    if region not in end["certificates"]:
        raise Wrong(f"the certificate of {region} is missing")
    certificate = x509.load_pem_x509_certificate(end["certificates"][region].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    owner = f"spiffe://{federation}/region/{region}"
    if names.get_values_for_type(x509.UniformResourceIdentifier) != [owner]:
        raise Wrong(f"the certificate of {region} was issued to somebody else")
    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return certificate.public_key()
    raise Wrong(f"the certificate of {region} is not of this authority")


def check(lines: list[Json], authorities: list[x509.Certificate]) -> list[str]:
    """The performed checks. Raises Wrong."""
    header, end = lines[0], lines[-1]
    if header.get("format") != FORMAT or "head" not in end:
        raise Wrong("this is no whole export")
    hashes, shown = walk(header, lines[1:-1])
    region, federation = header["region"], header["federation"]
    hashes[header["after"]["sequence"]] = header["after"]["hash"]

    def signed(signer: str, what: Json, domain: bytes, prefix: bytes) -> None:
        if hashes.get(what["sequence"]) != what["hash"] or what["sequence"] > max(hashes):
            raise Wrong(f"row {what['sequence']} is not as {signer} has signed it: rows were altered, added or removed")
        content = domain + b"\0" + prefix + what["sequence"].to_bytes(8, "big") + bytes.fromhex(what["hash"])
        try:
            key_of(end, signer, federation, authorities).verify(base64.b64decode(what["signature"]), content)
        except InvalidSignature:
            raise Wrong(f"the signature is not that of {signer}") from None

    signed(region, end["head"], b"crossregion.audit-head.v1", b"")
    if end["head"]["sequence"] != max(hashes):
        raise Wrong("there are rows behind the signed end")
    told = [f"{len(shown)} rows about {header['customer']}, in a chain of {len(hashes) - 1} up to row {max(hashes)}"]
    told += [f"the region had lost rows, and says so: {each}" for each in losses_of(lines[1:-1])]
    told.append(f"the end is signed by {region}")
    for each in end["witnesses"]:
        prefix = region.encode() + b"\0" + each["time"].to_bytes(8, "big")
        signed(each["witness"], each, b"crossregion.witnessed-head.v1", prefix)
        time = datetime.fromtimestamp(each["time"] // 1_000_000, UTC)
        told.append(
            f"row {each['sequence']} is as {each['witness']} saw it at {time:%Y-%m-%d %H:%M:%S} UTC, signed by it"
        )
    return told if end["witnesses"] else [*told, "no witness: the region alone vouches for the chain"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Checks an export of an audit chain.")
    parser.add_argument("export")
    parser.add_argument("--authority", required=True, help="the certificate of the federation's authority, PEM")
    arguments = parser.parse_args()
    try:
        with open(arguments.authority, "rb") as file, open(arguments.export, encoding="utf-8") as exported:
            trusted = x509.load_pem_x509_certificates(file.read())
            print("\n".join(check([json.loads(line) for line in exported], trusted)))
    except (Wrong, KeyError, TypeError, ValueError, IndexError, OSError) as error:
        sys.exit(f"NOT PROVEN: {error}")
