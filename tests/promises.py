"""Times that the documents promise: a slow machine moves none of them."""

OUT_WITHIN_S = 5.0
"""From a published revocation list until no open stream, no call and no question of its certificates is served."""
