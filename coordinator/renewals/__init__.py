"""Renewal of the TLS certificates of nodes: carried between regions and the issuing program of the administrators."""
