-- The same in the new system, by the days that its users see.
SELECT strftime(timezone('America/New_York', closedate), '%Y-%m') AS month, count(*) AS records,
  sum(amount) AS total
FROM target.deals
WHERE hs_is_closed_won AND migration_key IS NOT NULL
GROUP BY ALL
