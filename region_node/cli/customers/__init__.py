"""Commands about customers, their documents, and the access to their data."""
