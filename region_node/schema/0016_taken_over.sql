-- When a line was taken over from another system: months that had ended by then were that system's to bill. 0 where an
-- older version has written the row, or the line was opened here.
ALTER TABLE products ADD COLUMN taken_over INTEGER NOT NULL DEFAULT 0;
