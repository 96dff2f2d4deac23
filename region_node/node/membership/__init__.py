"""The node's membership in the federation: it joins, follows the configuration, and keeps the last good copy."""
