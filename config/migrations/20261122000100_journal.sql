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

-- How far each projection has folded each node's journal, moved in the transaction that writes its
-- rows. Deleting a row here without the projection's own rows is wrong: use rebuild.
CREATE TABLE projections (
    name text   NOT NULL,
    node text   NOT NULL,
    seq  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (name, node)
);

-- One row per call: what lists and reports need. The detail is folded from the journal when asked.
CREATE TABLE calls (
    call_id        text PRIMARY KEY,
    node           text             NOT NULL,
    started_at     timestamptz      NOT NULL,
    direction      text             NOT NULL,
    caller_number  text,
    caller_name    text,
    called_number  text,
    linkedid       text             NOT NULL,
    customer_id    text,
    customer_name  text,
    level          text,
    queues         text[]           NOT NULL, -- in the order entered
    agents         text[]           NOT NULL, -- in the order of their answers
    agent_id       text, -- who talked first to the customer
    answered_at    timestamptz,
    waited_seconds double precision NOT NULL,
    talk_seconds   double precision NOT NULL,
    transfers      integer          NOT NULL,
    recordings     integer          NOT NULL,
    faults         integer          NOT NULL, -- recordings missing or wrong
    disposition    text,
    survey_score   integer,
    consent        boolean,
    merged_into    text,
    outcome        text, -- null while the call lasts, or where it was merged into another
    ended_by       text,
    ended_at       timestamptz,
    exact          boolean          NOT NULL -- false where a gap hid a moment
);

CREATE INDEX calls_started ON calls (started_at, call_id);
CREATE INDEX calls_agents ON calls USING gin (agents);
CREATE INDEX calls_open ON calls (started_at) WHERE ended_at IS NULL;
CREATE INDEX calls_merged ON calls (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE queue_visits (
    visit_id       text PRIMARY KEY,
    node           text             NOT NULL,
    call_id        text             NOT NULL,
    queue          text             NOT NULL,
    entered_at     timestamptz      NOT NULL, -- of this queue, not of the first one
    left_at        timestamptz,
    reason         text,
    waited_seconds double precision NOT NULL,
    talk_seconds   double precision NOT NULL,
    agent_id       text,
    native         boolean          NOT NULL, -- served by Asterisk's own queue for a while
    exact          boolean          NOT NULL
);

CREATE INDEX queue_visits_call ON queue_visits (call_id);
CREATE INDEX queue_visits_entered ON queue_visits (queue, entered_at);

-- By quarter of an hour of entering. What is neither answered nor abandoned nor otherwise left is
-- still waiting. Quarters are the same in every time zone, so days are cut when they are asked for.
CREATE TABLE queue_figures (
    node                     text           NOT NULL,
    queue                    text           NOT NULL,
    quarter                  timestamptz    NOT NULL,
    entered                  integer        NOT NULL,
    answered                 integer        NOT NULL,
    answered_in_time         integer        NOT NULL, -- within the queue's service level
    abandoned                integer        NOT NULL, -- without the short ones
    abandoned_short          integer        NOT NULL,
    overflowed               integer        NOT NULL,
    voicemail                integer        NOT NULL,
    callback                 integer        NOT NULL,
    refused                  integer        NOT NULL, -- closed, full, no agents
    withdrawn                integer        NOT NULL,
    lost                     integer        NOT NULL,
    native                   integer        NOT NULL, -- of all these, seen by Asterisk's own queue
    inexact                  integer        NOT NULL, -- of all these, touched by a gap
    waited_answered_seconds  numeric(14, 3) NOT NULL,
    waited_abandoned_seconds numeric(14, 3) NOT NULL, -- with the short ones
    longest_wait_seconds     numeric(14, 3) NOT NULL,
    talk_seconds             numeric(14, 3) NOT NULL,
    PRIMARY KEY (node, queue, quarter)
);

CREATE INDEX queue_figures_quarter ON queue_figures (quarter);

-- An agent's states end to end: each begins where the one before ended.
CREATE TABLE agent_intervals (
    node     text        NOT NULL,
    seq      bigint      NOT NULL, -- of the event that began it
    agent_id text        NOT NULL,
    state    text        NOT NULL,
    reason   text,
    call_id  text,
    from_at  timestamptz NOT NULL,
    to_at    timestamptz, -- null while it lasts
    PRIMARY KEY (node, seq)
);

CREATE INDEX agent_intervals_agent ON agent_intervals (agent_id, from_at);
CREATE INDEX agent_intervals_from ON agent_intervals (from_at);
CREATE UNIQUE INDEX agent_intervals_open ON agent_intervals (node, agent_id) WHERE to_at IS NULL;

CREATE TABLE recordings (
    recording_id     text PRIMARY KEY,
    node             text             NOT NULL,
    call_id          text             NOT NULL,
    queue            text,
    file             text, -- name below the spool folder of the PBX
    started_at       timestamptz      NOT NULL,
    paused_at        timestamptz, -- since when silence is written
    paused_seconds   double precision NOT NULL,
    path             text, -- in the store
    sha256           text,
    bytes            bigint,
    duration_seconds double precision,
    customer_silent  boolean          NOT NULL,
    agent_silent     boolean          NOT NULL,
    stored_at        timestamptz,
    fault            text,
    detail           text
);

CREATE INDEX recordings_call ON recordings (call_id);
CREATE INDEX recordings_started ON recordings (started_at);

-- Times in which we heard nothing from the PBX: figures that touch them are bounds.
CREATE TABLE gaps (
    node    text        NOT NULL,
    seq     bigint      NOT NULL,
    from_at timestamptz NOT NULL,
    to_at   timestamptz NOT NULL,
    reason  text        NOT NULL,
    PRIMARY KEY (node, seq)
);

CREATE INDEX gaps_to ON gaps (to_at);

-- migrate:down

DROP TABLE gaps;
DROP TABLE recordings;
DROP TABLE agent_intervals;
DROP TABLE queue_figures;
DROP TABLE queue_visits;
DROP TABLE calls;
DROP TABLE projections;
DROP TABLE journal_spool;
DROP TABLE journal_node;
DROP TABLE journal;
DROP FUNCTION journal_is_append_only();
