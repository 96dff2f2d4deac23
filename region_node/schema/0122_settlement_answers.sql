-- Statements that not both regions have signed wait for an answer, of which people are reminded. 2 is SIGNED.
INSERT INTO timers (timer_id, kind, subject, due_time)
SELECT 'settlement-answer/' || region || '/' || month, 'settlement-answer', region || ' ' || month || ' 0 0', 0
FROM settlement_statements WHERE state <> 2;
