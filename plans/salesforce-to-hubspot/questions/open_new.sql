-- The open pipeline of the deals that we brought, by stage as users see it.
SELECT o.label AS stage, count(*) AS records, sum(d.amount) AS total
FROM target.deals AS d
JOIN options AS o ON o.side = 'target' AND o.object = 'deals' AND o.field = 'dealstage' AND o.value = d.dealstage
WHERE NOT d.hs_is_closed AND d.migration_key IS NOT NULL
GROUP BY ALL
