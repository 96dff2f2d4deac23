"""One signature for the envelopes and receipts of one commit, or of one batch of questions.

Each of them carries a proof of its own (`Signer.sign_all`). A reader that does not understand proofs gets a plain
signature.
"""

from collections.abc import Sequence

from gateway.api.relay.v1.relay_pb2 import Envelope, Receipt
from gateway.relay.border import Border
from gateway.store.port import Transaction

Message = Envelope | Receipt


class CommitSigning:
    """Collects the messages of a commit, and signs them when it finishes: one signature for each domain."""

    def __init__(self, border: Border) -> None:
        self._border = border
        self._unsigned: dict[bytes, list[Message]] = {}

    def add(self, domain: bytes, message: Message) -> None:
        """Takes a message without a signature, whose content does not change any more."""
        self._unsigned.setdefault(domain, []).append(message)

    def finish(self) -> None:
        """See the port of companions."""
        for domain, messages in self._unsigned.items():
            _sign_together(self._border, domain, messages)


def sign_at_commit(tx: Transaction, border: Border, domain: bytes, message: Message, reader: str) -> None:
    """Signs a message before the commit of this transaction, for a region that reads it.

    A row with the signature is put by `insert_late`, after this call.
    """
    if border.shares_signatures(reader):
        tx.companion(CommitSigning, lambda: CommitSigning(border)).add(domain, message)
    else:
        message.signature = border.signer.sign(domain, message.content)


def sign_batch(border: Border, domain: bytes, messages: Sequence[Message], reader: str) -> None:
    """Signs messages that one region reads."""
    if border.shares_signatures(reader):
        _sign_together(border, domain, messages)
        return
    for message in messages:
        message.signature = border.signer.sign(domain, message.content)


def _sign_together(border: Border, domain: bytes, messages: Sequence[Message]) -> None:
    proofs = border.signer.sign_all(domain, [message.content for message in messages], border.draw)
    for message, proof in zip(messages, proofs, strict=True):
        message.signature = proof
