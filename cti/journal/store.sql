-- Stores one batch, or nothing when the spool's mark is not where the writer believes it.
-- $1 node, $2 identity, $3 mark before, $4 mark afterwards, then the columns as arrays.
WITH mark AS (
    UPDATE journal_spool SET stored = $4
    WHERE node = $1 AND identity = $2 AND stored = $3
    RETURNING node
), number AS (
    UPDATE journal_node SET last_seq = last_seq + cardinality($5::timestamptz[])
    FROM mark WHERE journal_node.node = mark.node
    RETURNING last_seq - cardinality($5::timestamptz[]) AS base
)
INSERT INTO journal (node, seq, at, type, call_id, agent_id, queue, body)
SELECT $1, number.base + event.place, at, type, call_id, agent_id, queue, body
FROM number, unnest(
    $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[], $10::jsonb[]
) WITH ORDINALITY AS event (at, type, call_id, agent_id, queue, body, place)
