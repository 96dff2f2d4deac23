-- The word of the lender on what is due is awaited in loans, which only their lender has watched. 1 to 4 are open.
INSERT INTO timers (timer_id, kind, subject, due_time)
SELECT 'loan-due/' || loan_id, 'loan-due', loan_id, 0 FROM loans
WHERE state IN (1, 2, 3, 4) AND NOT EXISTS (SELECT 1 FROM timers WHERE timer_id = 'loan-due/' || loan_id);
