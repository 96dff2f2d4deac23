"""How the node belongs to the federation: it joins, follows the configuration, and keeps the last good copy."""
