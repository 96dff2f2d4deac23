"""Revocation of certificates: lists that the registry keeps and every server acts by."""
