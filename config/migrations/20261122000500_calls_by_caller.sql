-- migrate:up

-- The calls of one customer: each screen pop asks for them.
CREATE INDEX calls_caller ON calls (caller_number, started_at);
CREATE INDEX calls_called ON calls (called_number, started_at);

-- migrate:down

DROP INDEX calls_caller, calls_called;
