-- A consent on paper that another region attests waits for the customer's own proof: `start_time` is the end of the wait,
-- and `attested_start` the start on the paper. NULL for a consent that never waited, or that staff have confirmed.
ALTER TABLE sharing_grants ADD COLUMN attested_start INTEGER;
