-- migrate:up

-- Another server has the call, or tells of the stay in a queue again: not listed, not counted.
ALTER TABLE calls ADD COLUMN handed_over boolean NOT NULL DEFAULT false;
ALTER TABLE queue_visits ADD COLUMN handed_over boolean NOT NULL DEFAULT false;

-- migrate:down

ALTER TABLE calls DROP COLUMN handed_over;
ALTER TABLE queue_visits DROP COLUMN handed_over;
