-- Of the failures of an hour, those by a number that nobody has here.
ALTER TABLE dealings ADD COLUMN unknown_numbers INTEGER NOT NULL DEFAULT 0;
