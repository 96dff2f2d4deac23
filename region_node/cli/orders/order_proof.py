"""`region-node orders proof`: what both regions have signed about an order, for a third party."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import click

from gateway.api.region.v1.order_service_pb2 import GetOrderProofRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.region.v1.proof_pb2 import ProofKind, SignedProof
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads
from region_node.cli.proofs import kind_of, write_proofs

_DIGITS = 16  # of the SHA-256 of a content: enough to tell the contents about one order apart


def _name(found: SignedProof) -> str:
    """The name of a file: the same content has the same name, whenever it is written."""
    return f"{kind_of(found)}-{found.region}-{hashlib.sha256(found.content).hexdigest()[:_DIGITS]}.json"


_PROOFS = Table[SignedProof](
    TableColumn("signed at", lambda each: told_if_set(each.sign_time)),
    TableColumn("kind", lambda each: value_word(ProofKind.DESCRIPTOR, each.kind)),
    TableColumn("signed by", lambda each: region_name(each.region)),
    TableColumn("envelope", lambda each: each.envelope_id),
    TableColumn("file", _name),
)


@click.command()
@reads(done="written")
@click.argument("order_id", metavar="ORDER")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def proof(asking: Asking, order_id: str, directory: Path) -> None:
    """Write the signed envelopes about ORDER and their receipts into DIRECTORY, a file for each.

    Anybody checks a file with deploy/audit/check_proof.py and the certificate of the federation's authority. The files
    hold personal data of the customer; give them only to whom may see the order.

    \b
    Example:
      region-node orders proof guangdong/counter/R1 proofs
    """
    request = GetOrderProofRequest(order_id=order_id)
    found = asking.ask_all(lambda channel: OrderServiceStub(channel).GetOrderProof, request)
    proofs = sorted(found.proofs, key=lambda each: (each.sign_time.seconds, each.sign_time.nanos, each.kind))
    write_proofs(directory, {_name(each): each for each in proofs})
    asking.show(found, _PROOFS, proofs)
    _tell_unproven(proofs)


def _tell_unproven(proofs: Iterable[SignedProof]) -> None:
    for region in sorted({each.region for each in proofs if not each.certificate}):
        said = translated(
            "Files of {region} lack its signing certificate of that time, which is not kept here."
            " Get it from that region or from the federation's authority, and check with --certificate.",
            region=region_name(region),
        )
        click.echo(said, err=True)
