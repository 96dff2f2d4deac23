"""Defects of signatures that several envelopes or receipts share."""

from collections.abc import Callable, Sequence

import pytest

from gateway.relay.commit_signing import CommitSigning, Message
from gateway.security.signing import RECEIPT, Signer, TrustedKeys

_PLAIN = 64  # bytes of a signature


def path_of_a_wrong_tree_accepted(patch: pytest.MonkeyPatch) -> None:
    """A region swaps the proofs of a commit, and readers do not follow the path from content to signature."""
    sign_all, verify = Signer.sign_all, TrustedKeys.verify

    def sign_swapped(
        self: Signer, domain: bytes, contents: Sequence[bytes], draw: Callable[[int], bytes]
    ) -> list[bytes]:
        return sign_all(self, domain, contents, draw)[::-1]

    def verify_plain(self: TrustedKeys, region: str, domain: bytes, content: bytes, signature: bytes) -> bool:
        return len(signature) > _PLAIN or verify(self, region, domain, content, signature)

    patch.setattr(Signer, "sign_all", sign_swapped)
    patch.setattr(TrustedKeys, "verify", verify_plain)


def one_signature_for_the_receipts_of_two_commits(patch: pytest.MonkeyPatch) -> None:
    """The receipts of a commit are signed again with those of the next, although their rows are written."""
    finish = CommitSigning.finish
    before: dict[str, list[Message]] = {}

    def finish_with_the_last(self: CommitSigning) -> None:
        region = self._border.region
        receipts = self._unsigned.get(RECEIPT, [])
        self._unsigned[RECEIPT] = [*before.get(region, ()), *receipts]
        before[region] = receipts
        finish(self)

    patch.setattr(CommitSigning, "finish", finish_with_the_last)
