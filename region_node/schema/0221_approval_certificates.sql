-- The certificates of both people of an approval, PEM, with those of their issuers: once one of them is revoked, the approval
-- ends. NULL where a version before this one wrote the row, or an identity provider has vouched for the person.
ALTER TABLE approvals ADD COLUMN proposer_certificates BLOB;
ALTER TABLE approvals ADD COLUMN decider_certificates BLOB;
