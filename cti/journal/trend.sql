-- By queue ('' is all of them) and quarter of an hour of [$1, $2): the most callers who waited at
-- once, and the agents who were ready on average. $3: queues; $4, $5: queue and agent of each
-- membership; $6: now. A stay or a state that began more than a day before is left out.
WITH stays AS (
    SELECT queue, entered_at, left_at
    FROM queue_visits
    WHERE queue = ANY ($3::text[])
        AND entered_at >= $1::timestamptz - interval '1 day' AND entered_at < $2::timestamptz
        AND (left_at IS NULL OR left_at >= $1) AND NOT handed_over
), steps AS (
    SELECT queue, entered_at AS at, 1 AS step FROM stays
    UNION ALL
    SELECT queue, left_at, -1 FROM stays WHERE left_at IS NOT NULL
    UNION ALL
    SELECT queue, begin, 0
    FROM unnest($3::text[]) AS queue,
        generate_series($1, least($2, $6::timestamptz), interval '15 minutes') AS begin
), levels AS (
    SELECT
        queue,
        at,
        sum(step) OVER (PARTITION BY queue ORDER BY at, step ROWS UNBOUNDED PRECEDING) AS waiting
    FROM (SELECT queue, at, step FROM steps UNION ALL SELECT '', at, step FROM steps) AS both_ways
), most AS (
    SELECT queue, date_bin('15 minutes', at, $1) AS begin, max(waiting) AS waiting
    FROM levels
    WHERE at >= $1 AND at < $2
    GROUP BY queue, date_bin('15 minutes', at, $1)
), spans AS (
    SELECT agent_id, greatest(from_at, $1) AS from_at, least(to_at, $2, $6) AS to_at
    FROM agent_intervals
    WHERE state = 'ready'
        AND from_at >= $1 - interval '1 day' AND from_at < least($2, $6)
        AND (to_at IS NULL OR to_at > $1)
), ready AS (
    SELECT
        agent_id,
        begin,
        sum(extract(
            epoch FROM least(to_at, begin + interval '15 minutes') - greatest(from_at, begin)
        )) AS seconds
    FROM spans,
        generate_series(
            date_bin('15 minutes', from_at, $1), to_at, interval '15 minutes'
        ) AS begin
    GROUP BY agent_id, begin
), staffed AS (
    SELECT membership.queue, ready.begin, sum(ready.seconds) AS seconds
    FROM ready
    JOIN unnest($4::text[], $5::text[]) AS membership (queue, agent_id) USING (agent_id)
    GROUP BY membership.queue, ready.begin
)
SELECT
    most.queue,
    most.begin,
    greatest(most.waiting, 0)::int AS waiting_most,
    (coalesce(staffed.seconds, 0) / greatest(
        extract(epoch FROM least(most.begin + interval '15 minutes', $6) - most.begin), 1
    ))::float8 AS ready_mean
FROM most
LEFT JOIN staffed USING (queue, begin)
ORDER BY most.queue, most.begin
