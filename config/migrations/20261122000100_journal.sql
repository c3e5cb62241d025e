-- migrate:up

-- The journal: what happened, in order, once. Numbered per node without holes; a reader that sees
-- a number sees all before it, because writers of one node queue up on its row in journal_node.
-- The key holds seq, so the table can be partitioned by ranges of seq without changing it.
CREATE TABLE journal (
    node     text        NOT NULL,
    seq      bigint      NOT NULL CHECK (seq > 0),
    at       timestamptz NOT NULL,
    type     text        NOT NULL,
    call_id  text,
    agent_id text,
    queue    text,
    body     jsonb       NOT NULL,
    PRIMARY KEY (node, seq)
);

CREATE INDEX journal_call ON journal (call_id, node, seq) WHERE call_id IS NOT NULL;
-- Events arrive nearly in order of time, so a block range index costs next to nothing.
CREATE INDEX journal_at ON journal USING brin (at);

CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only: % refused', TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'A correction is a new event.';
END
$$;

CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();

-- The last number given in each node's journal.
CREATE TABLE journal_node (
    node     text   PRIMARY KEY,
    last_seq bigint NOT NULL DEFAULT 0
);

-- How far each spool folder (by the identity in its segments' names) is stored: its own numbering,
-- which equals the journal's unless a folder was lost or set back.
CREATE TABLE journal_spool (
    node       text        NOT NULL REFERENCES journal_node,
    identity   text        NOT NULL,
    stored     bigint      NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (node, identity)
);

-- migrate:down

DROP TABLE journal_spool;
DROP TABLE journal_node;
DROP TABLE journal;
DROP FUNCTION journal_is_append_only();
