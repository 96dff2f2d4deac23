"""Files with signed contents, which deploy/audit/check_proof.py checks for a third party."""

import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from gateway.api.region.v1.proof_pb2 import ProofKind, SignedProof
from gateway.cli.exits import USAGE, leave
from gateway.process.files import replace_file

_PREFIX = "PROOF_KIND_"


def kind_of(found: SignedProof) -> str:
    """The kind of a content in a file: `envelope` or `receipt`."""
    return ProofKind.Name(found.kind).removeprefix(_PREFIX).lower()


def write_proofs(directory: Path, named: Mapping[str, SignedProof]) -> None:
    """Writes each proof under its name, for the owner alone. Ends the command where that is not possible."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, each in named.items():
            replace_file(directory / name, _shown(each).encode())
    except OSError as error:
        leave(str(error), USAGE)


def _shown(found: SignedProof) -> str:
    fields = {
        "kind": kind_of(found),
        "region": found.region,
        "content": b64encode(found.content).decode(),
        "signature": b64encode(found.signature).decode(),
        "certificate": found.certificate.decode(),
    }
    return json.dumps(fields, indent=1) + "\n"
