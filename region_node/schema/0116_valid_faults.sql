-- For repair times: whether the cause of a fault is beyond the network, as found at its repair. Such a fault is none of the
-- operator (ETSI EG 202 057-1, 5.5).
ALTER TABLE faults ADD COLUMN is_beyond_network INTEGER NOT NULL DEFAULT 0;
