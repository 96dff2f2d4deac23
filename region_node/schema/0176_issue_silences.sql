-- The number of limits of an owner's silence that have passed, by the clock of this region: `Issue.silence`.
ALTER TABLE issues ADD COLUMN silent_limits INTEGER NOT NULL DEFAULT 0;

-- The owner's word on what is due is awaited in open issues, which only their owner has watched. 1 to 3 are open.
INSERT INTO timers (timer_id, kind, subject, due_time)
SELECT 'issue-due/' || issue_id, 'issue-due', issue_id, 0 FROM issues
WHERE state IN (1, 2, 3) AND NOT EXISTS (SELECT 1 FROM timers WHERE timer_id = 'issue-due/' || issue_id);
