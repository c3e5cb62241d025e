-- The events of a call ($1) and of the calls merged into it, also by way of others, in order.
WITH RECURSIVE family (call_id) AS (
    SELECT $1::text
    UNION
    SELECT merge.body ->> 'merged_call_id'
    FROM family
    JOIN journal merge ON merge.call_id = family.call_id AND merge.type = 'CallMerged'
)
SELECT
    min(node) AS node,
    jsonb_agg(jsonb_build_array(seq, body) ORDER BY node, seq)::text AS events
FROM family JOIN journal USING (call_id)
