-- Scrubs that wait for archive and backups, up to a year: their times, so that no look goes through all of them.
CREATE INDEX scrubs_waiting ON scrubs (begin_time, since) WHERE end_time IS NULL;
