-- Queues' figures of [$1, $2) by period $3 (quarter, hour, day) of time zone $4, of queues $5.
WITH found AS (
    SELECT
        *,
        CASE $3::text
            WHEN 'quarter' THEN quarter
            ELSE date_trunc($3, quarter, $4::text)
        END AS begin
    FROM queue_figures
    WHERE quarter >= $1 AND quarter < $2 AND ($5::text[] IS NULL OR queue = ANY ($5))
)
SELECT
    queue,
    begin,
    sum(entered) AS entered,
    sum(answered) AS answered,
    sum(answered_in_time) AS answered_in_time,
    sum(abandoned) AS abandoned,
    sum(abandoned_short) AS abandoned_short,
    sum(overflowed) AS overflowed,
    sum(voicemail) AS voicemail,
    sum(callback) AS callback,
    sum(refused) AS refused,
    sum(withdrawn) AS withdrawn,
    sum(lost) AS lost,
    sum(native) AS native,
    sum(inexact) AS inexact,
    sum(waited_answered_seconds)::float8 AS waited_answered_seconds,
    sum(waited_abandoned_seconds)::float8 AS waited_abandoned_seconds,
    max(longest_wait_seconds)::float8 AS longest_wait_seconds,
    sum(talk_seconds)::float8 AS talk_seconds,
    EXISTS (
        SELECT FROM gaps
        WHERE gaps.to_at >= begin AND gaps.from_at < CASE $3::text
            WHEN 'quarter' THEN begin + interval '15 minutes'
            WHEN 'hour' THEN begin + interval '1 hour'
            ELSE (begin AT TIME ZONE $4 + interval '1 day') AT TIME ZONE $4
        END
    ) AS gap
FROM found
GROUP BY queue, begin
HAVING sum(entered) > 0
ORDER BY begin, queue
