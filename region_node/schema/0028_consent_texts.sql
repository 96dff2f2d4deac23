-- What a customer consented to, as a version of its text, and the paper on file by which it was done. Both are empty where
-- an older version has written the row; the paper also where the customer was verified.
ALTER TABLE sharing_grants ADD COLUMN text_version TEXT NOT NULL DEFAULT '';
ALTER TABLE sharing_grants ADD COLUMN paper TEXT NOT NULL DEFAULT '';
CREATE INDEX sharing_grants_paper ON sharing_grants (paper);
