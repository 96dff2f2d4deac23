"""The command `region-node`."""

from gateway.security.tls_version import speak_tls_1_3_alone

speak_tls_1_3_alone()  # here, before any module of the command loads gRPC
