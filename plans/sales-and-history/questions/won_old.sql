-- Won sales by the month in which they closed, as the old system counts its days.
SELECT strftime(CloseDate, '%Y-%m') AS month, count(*) AS records, sum(Amount) AS total
FROM source.Opportunity
WHERE IsWon AND _id IN (SELECT source_id FROM ends WHERE entry = 'Opportunity' AND outcome <> 'unknown')
GROUP BY ALL
