-- What may be forgotten is looked for by age, and by what it is about.
CREATE INDEX inbox_received ON inbox (received, origin, envelope_id);
CREATE INDEX inbox_subject ON inbox (subject);
CREATE INDEX outbox_closed ON outbox (closed, envelope_id) WHERE closed IS NOT NULL;
