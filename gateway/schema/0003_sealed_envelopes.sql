-- 1 once the content of a row, and of its receipt, is sealed under the key of its subject; 0 where a version before this
-- one has written the row: a node seals such rows before it serves.
ALTER TABLE outbox ADD COLUMN is_sealed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inbox ADD COLUMN is_sealed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_clear ON outbox (envelope_id) WHERE is_sealed = 0;
CREATE INDEX inbox_clear ON inbox (origin, envelope_id) WHERE is_sealed = 0;
