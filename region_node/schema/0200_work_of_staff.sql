-- The work list of staff: orders and complaints whose next step they have to do, the nearest due time first.
-- An order of an earlier version counts by its date, until the start of a process fills the column in. A complaint of
-- one counts by its clock, until it is written again.
ALTER TABLE orders ADD COLUMN awaited_until INTEGER;
CREATE INDEX orders_for_staff ON orders (home_region, COALESCE(awaited_until, create_time), order_id) WHERE awaiting = 3;
CREATE INDEX orders_without_awaited_until ON orders (order_id) WHERE awaiting = 3 AND awaited_until IS NULL;
ALTER TABLE complaints ADD COLUMN awaited_until INTEGER;
CREATE INDEX complaints_for_staff ON complaints (owner_region, COALESCE(awaited_until, due_time, 253402300799999999), ticket_id) WHERE state IN (1, 4, 5);
