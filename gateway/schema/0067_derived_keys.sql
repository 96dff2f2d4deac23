-- Sealed bytes may name the key of another subject, from which theirs derives: an earlier version cannot open them.
-- Keys are wrapped anew in the order of their ids, which are shorter than subjects.
DROP INDEX data_keys_wrapped_by;
CREATE INDEX data_keys_wrapped_by ON data_keys (wrapped_by, key_id);
