"""The kinds of keys that sign, and the error of one that cannot be used."""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey


class KeyUnusable(ValueError):
    """A private key cannot be opened, or cannot sign; the text has the file or the URI, and the reason."""
