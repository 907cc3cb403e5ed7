-- The open pipeline by stage, without what was not moved.
SELECT StageName AS stage, count(*) AS records, sum(Amount) AS total
FROM source.Opportunity
WHERE NOT IsClosed AND _id IN (SELECT source_id FROM ends
  WHERE entry = 'Opportunity' AND outcome IN ('created', 'updated', 'adopted'))
GROUP BY ALL
