-- migrate:up

-- The centre's order: departments, their teams, and who is in which. A leader's rights end with
-- the team.
CREATE TABLE departments (
    department_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text        NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 80),
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE teams (
    team_id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    department_id bigint      NOT NULL REFERENCES departments,
    name          text        NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (department_id, name)
);

ALTER TABLE users
    ADD COLUMN team_id bigint REFERENCES teams,
    -- Somebody else chose the password: the first thing after signing in is another one.
    ADD COLUMN must_change_password boolean NOT NULL DEFAULT false;
CREATE INDEX users_team ON users (team_id);

-- What a person can point at: the cookie's hash stays inside.
ALTER TABLE sessions
    ADD COLUMN session_id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN device text NOT NULL DEFAULT '' CHECK (length(device) <= 200);

-- Who is in which team is kept in memory: a change is told without words, the whole is read anew.
CREATE FUNCTION people_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('people_changed', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER users_come_and_go AFTER INSERT OR DELETE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION people_tell();
CREATE TRIGGER users_moved AFTER UPDATE OF agent_id, team_id ON users
    FOR EACH STATEMENT EXECUTE FUNCTION people_tell();
CREATE TRIGGER teams_changed AFTER INSERT OR UPDATE OR DELETE ON teams
    FOR EACH STATEMENT EXECUTE FUNCTION people_tell();

-- Who did what, written together with what was done. No reference to users: the trail outlives
-- them. Neither passwords nor whole telephone numbers are written here.
CREATE TABLE audit_trail (
    entry_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    user_id     bigint,
    user_name   text        NOT NULL,
    address     text        NOT NULL,
    what        text        NOT NULL CHECK (what ~ '^[a-z][a-z_]{0,39}$'),
    object_kind text        NOT NULL DEFAULT '',
    object_id   text        NOT NULL DEFAULT '',
    object_name text        NOT NULL DEFAULT '',
    facts       jsonb       NOT NULL DEFAULT '{}'
);

CREATE INDEX audit_trail_at ON audit_trail (at DESC, entry_id DESC);
CREATE INDEX audit_trail_user ON audit_trail (user_name, at DESC);
CREATE INDEX audit_trail_object ON audit_trail (object_kind, object_id, at DESC);
-- Refused sign-ins: one row for each name and minute, however often somebody tries.
CREATE UNIQUE INDEX audit_trail_refused
    ON audit_trail (user_name, date_trunc('minute', at AT TIME ZONE 'UTC'))
    WHERE what = 'sign_in_refused';

CREATE FUNCTION audit_trail_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only';
END
$$;

CREATE TRIGGER audit_trail_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_trail
    FOR EACH STATEMENT EXECUTE FUNCTION audit_trail_is_append_only();

-- migrate:down

DROP TABLE audit_trail;
DROP FUNCTION audit_trail_is_append_only();
DROP TRIGGER users_come_and_go ON users;
DROP TRIGGER users_moved ON users;
DROP TRIGGER teams_changed ON teams;
DROP FUNCTION people_tell();
ALTER TABLE sessions DROP COLUMN session_id, DROP COLUMN device;
ALTER TABLE users DROP COLUMN team_id, DROP COLUMN must_change_password;
DROP TABLE teams;
DROP TABLE departments;
