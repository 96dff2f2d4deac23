-- The certificates of the member of staff who proposed a payment between regions, PEM, with those of their issuers: once one of
-- them is revoked, the proposal counts no more. NULL where a version before this one wrote the row, or an identity provider has
-- vouched for the person.
ALTER TABLE settlement_payments ADD COLUMN proposer_certificates BLOB;
