"""Identities, certificates, signatures, keys and sealing."""
