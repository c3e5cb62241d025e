-- Stores one batch, or nothing when the spool's mark is not where the writer believes it.
-- $1 node, $2 identity, $3 mark before, $4 mark afterwards, $5 the events as one JSON array.
-- Hostile values cannot stop the journal: times are kept inside the calendar, indexed columns short
-- enough for an index; the body keeps what was written.
WITH mark AS (
    UPDATE journal_spool SET stored = $4
    WHERE node = $1 AND identity = $2 AND stored = $3
    RETURNING node
), number AS (
    UPDATE journal_node SET last_seq = last_seq + jsonb_array_length($5::jsonb)
    FROM mark WHERE journal_node.node = mark.node
    RETURNING last_seq - jsonb_array_length($5::jsonb) AS base
)
INSERT INTO journal (node, seq, at, type, call_id, agent_id, queue, body)
SELECT
    $1,
    number.base + event.place,
    to_timestamp(least(greatest((body ->> 'at')::float8, 0), 253402300799)),
    body ->> 'type',
    left(body ->> 'call_id', 200),
    left(body ->> 'agent_id', 200),
    left(body ->> 'queue', 200),
    body
FROM number, jsonb_array_elements($5::jsonb) WITH ORDINALITY AS event (body, place)
