"""How commands and queries cross a border: sealed, stored, carried in batches, answered with a signed receipt."""
