-- Statements that both regions have signed wait for their payment, of which people are reminded. 2 is SIGNED.
INSERT INTO timers (timer_id, kind, subject, due_time)
SELECT 'settlement-payment/' || s.region || '/' || s.month, 'settlement-payment', s.region || ' ' || s.month || ' 0 0', 0
FROM settlement_statements AS s
LEFT JOIN settlement_payments AS p ON p.region = s.region AND p.month = s.month
WHERE s.state = 2 AND p.record_time IS NULL;
