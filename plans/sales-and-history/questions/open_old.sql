-- The open pipeline by stage, in the new system's words, without what was not moved.
SELECT CASE StageName WHEN 'Prospecting' THEN 'Prospecting' WHEN 'Qualification' THEN 'Qualified'
    WHEN 'Proposal/Price Quote' THEN 'Proposal' WHEN 'Negotiation/Review' THEN 'Negotiation'
    ELSE StageName END AS stage,
  count(*) AS records, sum(Amount) AS total
FROM source.Opportunity
WHERE NOT IsClosed AND _id IN (SELECT source_id FROM ends
  WHERE entry = 'Opportunity' AND outcome IN ('created', 'updated', 'adopted'))
GROUP BY ALL
