-- migrate:up

-- Who calls: what the dialplan's hooks tell about a number before the call is queued. Read whole
-- into memory; a change is told on channel callers_changed by its number, many at once by `*`.
CREATE TABLE callers (
    number         text        PRIMARY KEY CHECK (number ~ '^\+[1-9][0-9]{4,14}$'), -- E.164
    customer_id    text        CHECK (length(customer_id) <= 64),
    name           text        CHECK (length(name) <= 80),
    level          text        CHECK (length(level) <= 32),
    language       text        CHECK (language ~ '^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})?$'),
    priority       integer     NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100),
    owner_agent_id text,
    blocked        boolean     NOT NULL DEFAULT false,
    blocked_reason text        NOT NULL DEFAULT '',
    updated_at     timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION callers_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM changed) > 100 THEN
        PERFORM pg_notify('callers_changed', '*');
    ELSE
        PERFORM pg_notify('callers_changed', number) FROM changed;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER callers_inserted AFTER INSERT ON callers
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION callers_tell();
CREATE TRIGGER callers_deleted AFTER DELETE ON callers
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION callers_tell();
CREATE TRIGGER callers_updated AFTER UPDATE ON callers
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION callers_tell();
-- The old number too where it was changed.
CREATE TRIGGER callers_renumbered AFTER UPDATE ON callers
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION callers_tell();

-- migrate:down

DROP TABLE callers;
DROP FUNCTION callers_tell();
