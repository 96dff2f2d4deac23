-- What the old home owes the new one for the balances of a move, or is owed. It was booked, and charged in no statement.
INSERT INTO regional_debts (kind, serial, region, debtor, create_time)
SELECT DISTINCT 'moved-balance', m.move_id, SPLIT_PART(e.account, '/', 2),
    SPLIT_PART(m.move_id, '/', 1), m.create_time
FROM customer_moves AS m JOIN ledger_entries AS e
    ON e.posting_id >= m.move_id || '#balance/' AND e.posting_id < m.move_id || '#balance0'
WHERE e.account LIKE 'payable/%' OR e.account LIKE 'receivable/%';
