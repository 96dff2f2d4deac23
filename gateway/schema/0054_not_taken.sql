-- Why a destination has not taken an envelope, by its last answer: the number of a Reason, 0 where it has said nothing.
ALTER TABLE outbox ADD COLUMN not_taken INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_not_taken ON outbox (destination, not_taken) WHERE closed IS NULL AND not_taken <> 0;
