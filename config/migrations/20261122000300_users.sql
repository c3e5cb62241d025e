-- migrate:up

-- People who may sign in. Passwords are argon2id hashes; nobody has a default one.
CREATE TABLE users (
    user_id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name                text        NOT NULL UNIQUE CHECK (name = lower(name)),
    full_name           text        NOT NULL,
    password_hash       text        NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    roles               text[]      NOT NULL CHECK (
        cardinality(roles) > 0
        AND roles <@ ARRAY['agent', 'leader', 'supervisor', 'quality', 'director', 'admin']
    ),
    agent_id            text        UNIQUE,
    language            text        NOT NULL CHECK (language IN ('zh-CN', 'en')),
    created_at          timestamptz NOT NULL DEFAULT now(),
    password_changed_at timestamptz NOT NULL DEFAULT now(),
    disabled_at         timestamptz,
    -- An agent works under an employee number.
    CHECK (NOT 'agent' = ANY (roles) OR agent_id IS NOT NULL)
);

-- Signed-in browsers. Only the hash of the cookie is kept: who reads this table cannot sign in.
CREATE TABLE sessions (
    token_sha256 bytea       PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    user_id      bigint      NOT NULL REFERENCES users ON DELETE CASCADE,
    address      text        NOT NULL,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz
);

CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Who heard which recording, written before the first byte is sent. Requests of one player for
-- pieces of one recording are one listening until a pause of ten minutes.
CREATE TABLE recording_listened (
    listening_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recording_id text        NOT NULL,
    call_id      text        NOT NULL,
    user_name    text        NOT NULL,
    session      bytea       NOT NULL,
    address      text        NOT NULL,
    started_at   timestamptz NOT NULL,
    last_at      timestamptz NOT NULL,
    requests     integer     NOT NULL DEFAULT 1
);

CREATE INDEX recording_listened_recording ON recording_listened (recording_id, last_at);

-- migrate:down

DROP TABLE recording_listened;
DROP TABLE sessions;
DROP TABLE users;
