-- A keyed hash of the mask of the contact that got a code, in hexadecimal; empty for the line.
ALTER TABLE asked_codes ADD COLUMN contact TEXT NOT NULL DEFAULT '';
