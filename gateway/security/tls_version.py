"""TLS 1.3 alone, for gRPC: it reads the choice from the environment at its import, so this module imports no gRPC."""

import os

# gRPC for Python names no least version of TLS, but its ciphers of TLS 1.2. Nobody has the pre-shared key that this one
# needs, which leaves TLS 1.3 alone.
CIPHERS_OF_TLS_1_2 = ("GRPC_SSL_CIPHER_SUITES", "ECDHE-PSK-CHACHA20-POLY1305")


def speak_tls_1_3_alone() -> None:
    """Makes this process speak TLS 1.3 alone, unless its environment names ciphers of TLS 1.2.

    gRPC must not be loaded yet.
    """
    os.environ.setdefault(*CIPHERS_OF_TLS_1_2)
