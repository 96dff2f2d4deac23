"""The store: operations as plain functions of a transaction, many in one commit."""
