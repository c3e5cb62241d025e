-- migrate:up

-- Since when the caller waits now. Each wait counts from its own begin: a visit's `waited_seconds`
-- goes back to the first entering, so those of one call would count the same time twice.
ALTER TABLE calls ADD COLUMN waiting_since timestamptz;

-- migrate:down

ALTER TABLE calls DROP COLUMN waiting_since;
