-- migrate:up

-- Customers. Who is deleted or merged into another stays, to be brought back, but has no terms:
-- search does not find them.
CREATE TABLE customers (
    customer_id    bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    version        integer     NOT NULL DEFAULT 1,
    kind           text        NOT NULL CHECK (kind IN ('person', 'company')),
    name           text        NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    company        text        NOT NULL DEFAULT '' CHECK (length(company) <= 120),
    level          text        NOT NULL DEFAULT '' CHECK (length(level) <= 32),
    language       text        CHECK (language ~ '^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})?$'),
    priority       integer     NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100),
    tags           text[]      NOT NULL DEFAULT '{}',
    owner_agent_id text        CHECK (length(owner_agent_id) <= 64),
    source         text        NOT NULL DEFAULT '' CHECK (length(source) <= 80),
    email          text        NOT NULL DEFAULT '' CHECK (length(email) <= 254),
    address        text        NOT NULL DEFAULT '' CHECK (length(address) <= 500),
    notes_pinned   text        NOT NULL DEFAULT '' CHECK (length(notes_pinned) <= 1000),
    fields         jsonb       NOT NULL DEFAULT '{}',
    blocked_reason text        CHECK (length(blocked_reason) <= 200), -- NULL: not on the blacklist
    blocked_until  timestamptz, -- NULL: for good
    blocked_by     text,
    blocked_at     timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    deleted_at     timestamptz,
    merged_into    bigint      REFERENCES customers,
    terms          tsvector    NOT NULL DEFAULT ''  -- what search finds the customer by, and heads (crm.terms)
);
CREATE INDEX customers_terms ON customers USING gin (terms);
CREATE INDEX customers_updated ON customers (updated_at, customer_id) WHERE deleted_at IS NULL;
CREATE INDEX customers_merged ON customers (merged_into) WHERE merged_into IS NOT NULL;

-- The same terms in order: the first page of what begins with some letters is read from here,
-- however many customers there are.
CREATE TABLE customer_terms (
    term        text COLLATE "C" NOT NULL,
    customer_id bigint           NOT NULL,
    PRIMARY KEY (term, customer_id)
);

CREATE TABLE customer_numbers (
    number_id   bigint  PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    customer_id bigint  NOT NULL REFERENCES customers,
    number      text    NOT NULL CHECK (number ~ '^\+[1-9][0-9]{4,14}$'), -- E.164
    label       text    NOT NULL DEFAULT '' CHECK (length(label) <= 32),
    position    integer NOT NULL DEFAULT 0,
    UNIQUE (customer_id, number)
);
CREATE INDEX customer_numbers_number ON customer_numbers (number);

CREATE TABLE customer_notes (
    note_id     bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    customer_id bigint      NOT NULL REFERENCES customers,
    at          timestamptz NOT NULL,
    by_name     text        NOT NULL,
    call_id     text,
    text        text        NOT NULL CHECK (length(text) BETWEEN 1 AND 4000)
);
CREATE INDEX customer_notes_customer ON customer_notes (customer_id, at);

CREATE TABLE customer_appointments (
    appointment_id bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    customer_id    bigint      NOT NULL REFERENCES customers,
    made_at        timestamptz NOT NULL,
    due_at         timestamptz NOT NULL,
    text           text        NOT NULL DEFAULT '' CHECK (length(text) <= 1000),
    agent_id       text,
    call_id        text,
    by_name        text        NOT NULL,
    done_at        timestamptz
);
CREATE INDEX customer_appointments_customer ON customer_appointments (customer_id, due_at);
CREATE INDEX customer_appointments_open ON customer_appointments (agent_id, due_at)
    WHERE done_at IS NULL;

-- What was done to a customer, by whom: `facts` has field -> [before, after].
CREATE TABLE customer_changes (
    change_id   bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    customer_id bigint      NOT NULL REFERENCES customers,
    at          timestamptz NOT NULL,
    by_name     text        NOT NULL,
    what        text        NOT NULL,
    facts       jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX customer_changes_customer ON customer_changes (customer_id, at);

-- What a merge moved, to take it back.
CREATE TABLE customer_merges (
    merge_id  bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    into_id   bigint      NOT NULL REFERENCES customers,
    other_id  bigint      NOT NULL REFERENCES customers,
    at        timestamptz NOT NULL,
    moved     jsonb       NOT NULL,
    undone_at timestamptz
);
CREATE UNIQUE INDEX customer_merges_other ON customer_merges (other_id) WHERE undone_at IS NULL;

-- Which of several customers with one number it was.
CREATE TABLE call_customers (
    call_id     text        PRIMARY KEY,
    customer_id bigint      NOT NULL REFERENCES customers,
    by_name     text        NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX call_customers_customer ON call_customers (customer_id);

-- The administrator's own fields. A removed one is kept with its customers' values.
CREATE TABLE customer_fields (
    code        text    PRIMARY KEY CHECK (code ~ '^[a-z][a-z0-9_]{0,30}$'),
    title       jsonb   NOT NULL,
    type        text    NOT NULL
        CHECK (type IN ('text', 'number', 'date', 'choice', 'multi', 'phone')),
    choices     text[]  NOT NULL DEFAULT '{}',
    required    boolean NOT NULL DEFAULT false,
    visible_to  text[]  NOT NULL DEFAULT '{}',
    editable_by text[]  NOT NULL DEFAULT '{}',
    position    integer NOT NULL,
    removed_at  timestamptz
);

-- Files of customers that were brought in. `read` rows are done, and stay done: each batch is one
-- transaction with it.
CREATE TABLE customer_imports (
    import_id    bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name         text        NOT NULL,
    file         text        NOT NULL,
    form         jsonb       NOT NULL, -- how the file is read
    columns      text[]      NOT NULL,
    sample       jsonb       NOT NULL DEFAULT '[]', -- the first rows
    rows         integer     NOT NULL,
    state        text        NOT NULL DEFAULT 'uploaded'
        CHECK (state IN ('uploaded', 'running', 'done', 'cancelled', 'failed')),
    mapping      jsonb,
    on_duplicate text        CHECK (on_duplicate IN ('skip', 'update', 'create')),
    read         integer     NOT NULL DEFAULT 0,
    read_before  integer     NOT NULL DEFAULT 0, -- by an earlier start
    created      integer     NOT NULL DEFAULT 0,
    updated      integer     NOT NULL DEFAULT 0,
    skipped      integer     NOT NULL DEFAULT 0,
    bad          integer     NOT NULL DEFAULT 0,
    error        text        NOT NULL DEFAULT '',
    by_name      text        NOT NULL,
    uploaded_at  timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    alive_at     timestamptz, -- older than some seconds: who ran it is gone
    ended_at     timestamptz
);
CREATE TABLE customer_import_bad_rows (
    import_id bigint  NOT NULL REFERENCES customer_imports ON DELETE CASCADE,
    row       integer NOT NULL,
    reason    text    NOT NULL,
    column_name text  NOT NULL DEFAULT '',
    cells     text[]  NOT NULL,
    PRIMARY KEY (import_id, row)
);

-- A blacklisting may end by itself.
ALTER TABLE callers ADD COLUMN blocked_until timestamptz;

-- Many numbers at once are told by name too: with a million callers, `*` costs seconds.
CREATE OR REPLACE FUNCTION callers_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM changed) > 20000 THEN
        PERFORM pg_notify('callers_changed', '*');
    ELSE
        PERFORM pg_notify('callers_changed', string_agg(number, ','))
        FROM (SELECT number, row_number() OVER () / 400 AS part FROM changed) AS numbered
        GROUP BY part;
    END IF;
    RETURN NULL;
END
$$;

-- migrate:down

CREATE OR REPLACE FUNCTION callers_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM changed) > 100 THEN
        PERFORM pg_notify('callers_changed', '*');
    ELSE
        PERFORM pg_notify('callers_changed', number) FROM changed;
    END IF;
    RETURN NULL;
END
$$;
ALTER TABLE callers DROP COLUMN blocked_until;
DROP TABLE customer_import_bad_rows, customer_imports, customer_fields, call_customers,
    customer_merges, customer_changes, customer_appointments, customer_notes, customer_numbers,
    customer_terms, customers;
