-- Witnesses are told of destroyed keys anew, each with a proof: what they hold of an earlier version proves nothing.
UPDATE witnesses SET erased = 0, heard = 0;
