"""Records shared between regions: the fields of a purpose, the consents, and the disclosures."""
