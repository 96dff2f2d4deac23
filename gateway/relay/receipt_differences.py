"""Receipts as they are stored: as the difference from their envelope, most of which they repeat. Pure."""

import zlib

_MARK = b"\0"  # begins a difference; no receipt begins with it, since no field of a message has the number 0
_WINDOW = -15  # 32 KiB, without a header (RFC 1951): reads what a smaller one has written
_SMALLEST = 10  # the least window is one of 1 KiB
_AHEAD = 262  # bytes at the end of a window in which zlib looks for nothing
_REACH = 32_768  # bytes of the envelope that a receipt can repeat
_LEVEL, _MEMORY = 6, 4  # zlib sets up a larger memory for a long time, and makes nothing shorter by it


def difference(receipt: bytes, envelope: bytes) -> bytes:
    """The signed bytes of a receipt as their difference from those of the envelope that it answers.

    Returns the receipt itself if the difference is not shorter. Both are for `receipt_of`.
    """
    if len(envelope) > _REACH:  # hardly anything of it would be found, after many milliseconds
        return receipt
    # The set-up of the largest window takes longer than the compression, and a window that holds both finds as much.
    bits = (len(envelope) + len(receipt) + _AHEAD).bit_length()
    window = max(_WINDOW, -max(_SMALLEST, bits))
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, window, _MEMORY, zlib.Z_DEFAULT_STRATEGY, envelope)
    packed = _MARK + packer.compress(receipt) + packer.flush()
    return packed if len(packed) < len(receipt) else receipt


def receipt_of(stored: bytes, envelope: bytes) -> bytes:
    """The signed bytes of a receipt, stored as they are or as their difference from the envelope."""
    if not stored.startswith(_MARK):
        return stored
    return zlib.decompressobj(_WINDOW, zdict=envelope).decompress(stored[len(_MARK) :])
