

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: audit_trail_is_append_only(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_trail_is_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only';
END
$$;


--
-- Name: callers_tell(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.callers_tell() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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


--
-- Name: journal_is_append_only(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.journal_is_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only: % refused', TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'A correction is a new event.';
END
$$;


--
-- Name: people_tell(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.people_tell() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_notify('people_changed', '');
    RETURN NULL;
END
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: agent_intervals; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agent_intervals (
    node text NOT NULL,
    seq bigint NOT NULL,
    agent_id text NOT NULL,
    state text NOT NULL,
    reason text,
    call_id text,
    from_at timestamp with time zone NOT NULL,
    to_at timestamp with time zone
);


--
-- Name: audit_trail; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_trail (
    entry_id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    user_id bigint,
    user_name text NOT NULL,
    address text NOT NULL,
    what text NOT NULL,
    object_kind text DEFAULT ''::text NOT NULL,
    object_id text DEFAULT ''::text NOT NULL,
    object_name text DEFAULT ''::text NOT NULL,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT audit_trail_what_check CHECK ((what ~ '^[a-z][a-z_]{0,39}$'::text))
);


--
-- Name: audit_trail_entry_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.audit_trail ALTER COLUMN entry_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_trail_entry_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: call_customers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.call_customers (
    call_id text NOT NULL,
    customer_id bigint NOT NULL,
    by_name text NOT NULL,
    at timestamp with time zone NOT NULL
);


--
-- Name: callers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.callers (
    number text NOT NULL,
    customer_id text,
    name text,
    level text,
    language text,
    priority integer DEFAULT 0 NOT NULL,
    owner_agent_id text,
    blocked boolean DEFAULT false NOT NULL,
    blocked_reason text DEFAULT ''::text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    blocked_until timestamp with time zone,
    CONSTRAINT callers_customer_id_check CHECK ((length(customer_id) <= 64)),
    CONSTRAINT callers_language_check CHECK ((language ~ '^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})?$'::text)),
    CONSTRAINT callers_level_check CHECK ((length(level) <= 32)),
    CONSTRAINT callers_name_check CHECK ((length(name) <= 80)),
    CONSTRAINT callers_number_check CHECK ((number ~ '^\+[1-9][0-9]{4,14}$'::text)),
    CONSTRAINT callers_priority_check CHECK (((priority >= '-100'::integer) AND (priority <= 100)))
);


--
-- Name: calls; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.calls (
    call_id text NOT NULL,
    node text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    direction text NOT NULL,
    caller_number text,
    caller_name text,
    called_number text,
    linkedid text NOT NULL,
    customer_id text,
    customer_name text,
    level text,
    queues text[] NOT NULL,
    agents text[] NOT NULL,
    agent_id text,
    answered_at timestamp with time zone,
    waited_seconds double precision NOT NULL,
    talk_seconds double precision NOT NULL,
    transfers integer NOT NULL,
    recordings integer NOT NULL,
    faults integer NOT NULL,
    disposition text,
    survey_score integer,
    consent boolean,
    merged_into text,
    outcome text,
    ended_by text,
    ended_at timestamp with time zone,
    exact boolean NOT NULL,
    waiting_since timestamp with time zone,
    handed_over boolean DEFAULT false NOT NULL
);


--
-- Name: customer_appointments; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customer_appointments (
    appointment_id bigint NOT NULL,
    customer_id bigint NOT NULL,
    made_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    text text DEFAULT ''::text NOT NULL,
    agent_id text,
    call_id text,
    by_name text NOT NULL,
    done_at timestamp with time zone,
    CONSTRAINT customer_appointments_text_check CHECK ((length(text) <= 1000))
);


--
-- Name: customer_appointments_appointment_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.customer_appointments ALTER COLUMN appointment_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.customer_appointments_appointment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: customer_changes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customer_changes (
    change_id bigint NOT NULL,
    customer_id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    by_name text NOT NULL,
    what text NOT NULL,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL
);


--
-- Name: customer_changes_change_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.customer_changes ALTER COLUMN change_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.customer_changes_change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: customer_fields; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customer_fields (
    code text NOT NULL,
    title jsonb NOT NULL,
    type text NOT NULL,
    choices text[] DEFAULT '{}'::text[] NOT NULL,
    required boolean DEFAULT false NOT NULL,
    visible_to text[] DEFAULT '{}'::text[] NOT NULL,
    editable_by text[] DEFAULT '{}'::text[] NOT NULL,
    "position" integer NOT NULL,
    removed_at timestamp with time zone,
    CONSTRAINT customer_fields_code_check CHECK ((code ~ '^[a-z][a-z0-9_]{0,30}$'::text)),
    CONSTRAINT customer_fields_type_check CHECK ((type = ANY (ARRAY['text'::text, 'number'::text, 'date'::text, 'choice'::text, 'multi'::text, 'phone'::text])))
);


--
-- Name: customer_import_bad_rows; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customer_import_bad_rows (
    import_id bigint NOT NULL,
    "row" integer NOT NULL,
    reason text NOT NULL,
    column_name text DEFAULT ''::text NOT NULL,
    cells text[] NOT NULL
);


--
-- Name: customer_imports; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customer_imports (
    import_id bigint NOT NULL,
    name text NOT NULL,
    file text NOT NULL,
    form jsonb NOT NULL,
    columns text[] NOT NULL,
    sample jsonb DEFAULT '[]'::jsonb NOT NULL,
    rows integer NOT NULL,
    state text DEFAULT 'uploaded'::text NOT NULL,
    mapping jsonb,
    on_duplicate text,
    read integer DEFAULT 0 NOT NULL,
    read_before integer DEFAULT 0 NOT NULL,
    created integer DEFAULT 0 NOT NULL,
    updated integer DEFAULT 0 NOT NULL,
    skipped integer DEFAULT 0 NOT NULL,
    bad integer DEFAULT 0 NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    by_name text NOT NULL,
    uploaded_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    alive_at timestamp with time zone,
    ended_at timestamp with time zone,
    CONSTRAINT customer_imports_on_duplicate_check CHECK ((on_duplicate = ANY (ARRAY['skip'::text, 'update'::text, 'create'::text]))),
    CONSTRAINT customer_imports_state_check CHECK ((state = ANY (ARRAY['uploaded'::text, 'running'::text, 'done'::text, 'cancelled'::text, 'failed'::text])))
);


--
-- Name: customer_imports_import_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.customer_imports ALTER COLUMN import_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.customer_imports_import_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: customer_merges; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customer_merges (
    merge_id bigint NOT NULL,
    into_id bigint NOT NULL,
    other_id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    moved jsonb NOT NULL,
    undone_at timestamp with time zone
);


--
-- Name: customer_merges_merge_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.customer_merges ALTER COLUMN merge_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.customer_merges_merge_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: customer_notes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customer_notes (
    note_id bigint NOT NULL,
    customer_id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    by_name text NOT NULL,
    call_id text,
    text text NOT NULL,
    CONSTRAINT customer_notes_text_check CHECK (((length(text) >= 1) AND (length(text) <= 4000)))
);


--
-- Name: customer_notes_note_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.customer_notes ALTER COLUMN note_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.customer_notes_note_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: customer_numbers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customer_numbers (
    number_id bigint NOT NULL,
    customer_id bigint NOT NULL,
    number text NOT NULL,
    label text DEFAULT ''::text NOT NULL,
    "position" integer DEFAULT 0 NOT NULL,
    CONSTRAINT customer_numbers_label_check CHECK ((length(label) <= 32)),
    CONSTRAINT customer_numbers_number_check CHECK ((number ~ '^\+[1-9][0-9]{4,14}$'::text))
);


--
-- Name: customer_numbers_number_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.customer_numbers ALTER COLUMN number_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.customer_numbers_number_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: customer_terms; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customer_terms (
    term text NOT NULL COLLATE pg_catalog."C",
    customer_id bigint NOT NULL
);


--
-- Name: customers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customers (
    customer_id bigint NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    company text DEFAULT ''::text NOT NULL,
    level text DEFAULT ''::text NOT NULL,
    language text,
    priority integer DEFAULT 0 NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    owner_agent_id text,
    source text DEFAULT ''::text NOT NULL,
    email text DEFAULT ''::text NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    notes_pinned text DEFAULT ''::text NOT NULL,
    fields jsonb DEFAULT '{}'::jsonb NOT NULL,
    blocked_reason text,
    blocked_until timestamp with time zone,
    blocked_by text,
    blocked_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    merged_into bigint,
    terms tsvector DEFAULT ''::tsvector NOT NULL,
    CONSTRAINT customers_address_check CHECK ((length(address) <= 500)),
    CONSTRAINT customers_blocked_reason_check CHECK ((length(blocked_reason) <= 200)),
    CONSTRAINT customers_company_check CHECK ((length(company) <= 120)),
    CONSTRAINT customers_email_check CHECK ((length(email) <= 254)),
    CONSTRAINT customers_kind_check CHECK ((kind = ANY (ARRAY['person'::text, 'company'::text]))),
    CONSTRAINT customers_language_check CHECK ((language ~ '^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})?$'::text)),
    CONSTRAINT customers_level_check CHECK ((length(level) <= 32)),
    CONSTRAINT customers_name_check CHECK (((length(name) >= 1) AND (length(name) <= 80))),
    CONSTRAINT customers_notes_pinned_check CHECK ((length(notes_pinned) <= 1000)),
    CONSTRAINT customers_owner_agent_id_check CHECK ((length(owner_agent_id) <= 64)),
    CONSTRAINT customers_priority_check CHECK (((priority >= '-100'::integer) AND (priority <= 100))),
    CONSTRAINT customers_source_check CHECK ((length(source) <= 80))
);


--
-- Name: customers_customer_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.customers ALTER COLUMN customer_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.customers_customer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: departments; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.departments (
    department_id bigint NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT departments_name_check CHECK (((length(name) >= 1) AND (length(name) <= 80)))
);


--
-- Name: departments_department_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.departments ALTER COLUMN department_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.departments_department_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: gaps; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.gaps (
    node text NOT NULL,
    seq bigint NOT NULL,
    from_at timestamp with time zone NOT NULL,
    to_at timestamp with time zone NOT NULL,
    reason text NOT NULL
);


--
-- Name: journal; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.journal (
    node text NOT NULL,
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    type text NOT NULL,
    call_id text,
    agent_id text,
    queue text,
    body jsonb NOT NULL,
    CONSTRAINT journal_seq_check CHECK ((seq > 0))
);


--
-- Name: journal_node; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.journal_node (
    node text NOT NULL,
    last_seq bigint DEFAULT 0 NOT NULL
);


--
-- Name: journal_spool; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.journal_spool (
    node text NOT NULL,
    identity text NOT NULL,
    stored bigint NOT NULL,
    claimed_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: projections; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.projections (
    name text NOT NULL,
    node text NOT NULL,
    seq bigint DEFAULT 0 NOT NULL
);


--
-- Name: queue_figures; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.queue_figures (
    node text NOT NULL,
    queue text NOT NULL,
    quarter timestamp with time zone NOT NULL,
    entered integer NOT NULL,
    answered integer NOT NULL,
    answered_in_time integer NOT NULL,
    abandoned integer NOT NULL,
    abandoned_short integer NOT NULL,
    overflowed integer NOT NULL,
    voicemail integer NOT NULL,
    callback integer NOT NULL,
    refused integer NOT NULL,
    withdrawn integer NOT NULL,
    lost integer NOT NULL,
    native integer NOT NULL,
    inexact integer NOT NULL,
    waited_answered_seconds numeric(14,3) NOT NULL,
    waited_abandoned_seconds numeric(14,3) NOT NULL,
    longest_wait_seconds numeric(14,3) NOT NULL,
    talk_seconds numeric(14,3) NOT NULL
);


--
-- Name: queue_visits; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.queue_visits (
    visit_id text NOT NULL,
    node text NOT NULL,
    call_id text NOT NULL,
    queue text NOT NULL,
    entered_at timestamp with time zone NOT NULL,
    left_at timestamp with time zone,
    reason text,
    waited_seconds double precision NOT NULL,
    talk_seconds double precision NOT NULL,
    agent_id text,
    native boolean NOT NULL,
    exact boolean NOT NULL,
    handed_over boolean DEFAULT false NOT NULL
);


--
-- Name: recording_listened; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.recording_listened (
    listening_id bigint NOT NULL,
    recording_id text NOT NULL,
    call_id text NOT NULL,
    user_name text NOT NULL,
    session bytea NOT NULL,
    address text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    requests integer DEFAULT 1 NOT NULL
);


--
-- Name: recording_listened_listening_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.recording_listened ALTER COLUMN listening_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.recording_listened_listening_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: recordings; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.recordings (
    recording_id text NOT NULL,
    node text NOT NULL,
    call_id text NOT NULL,
    queue text,
    file text,
    started_at timestamp with time zone NOT NULL,
    paused_at timestamp with time zone,
    paused_seconds double precision NOT NULL,
    path text,
    sha256 text,
    bytes bigint,
    duration_seconds double precision,
    customer_silent boolean NOT NULL,
    agent_silent boolean NOT NULL,
    stored_at timestamp with time zone,
    fault text,
    detail text
);


--
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);


--
-- Name: sessions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sessions (
    token_sha256 bytea NOT NULL,
    user_id bigint NOT NULL,
    address text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    session_id bigint NOT NULL,
    device text DEFAULT ''::text NOT NULL,
    CONSTRAINT sessions_device_check CHECK ((length(device) <= 200)),
    CONSTRAINT sessions_token_sha256_check CHECK ((octet_length(token_sha256) = 32))
);


--
-- Name: sessions_session_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.sessions ALTER COLUMN session_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.sessions_session_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: teams; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.teams (
    team_id bigint NOT NULL,
    department_id bigint NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT teams_name_check CHECK (((length(name) >= 1) AND (length(name) <= 80)))
);


--
-- Name: teams_team_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.teams ALTER COLUMN team_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.teams_team_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    user_id bigint NOT NULL,
    name text NOT NULL,
    full_name text NOT NULL,
    password_hash text NOT NULL,
    roles text[] NOT NULL,
    agent_id text,
    language text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    password_changed_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    team_id bigint,
    must_change_password boolean DEFAULT false NOT NULL,
    CONSTRAINT users_check CHECK (((NOT ('agent'::text = ANY (roles))) OR (agent_id IS NOT NULL))),
    CONSTRAINT users_language_check CHECK ((language = ANY (ARRAY['zh-CN'::text, 'en'::text]))),
    CONSTRAINT users_name_check CHECK ((name = lower(name))),
    CONSTRAINT users_password_hash_check CHECK ((password_hash ~~ '$argon2id$%'::text)),
    CONSTRAINT users_roles_check CHECK (((cardinality(roles) > 0) AND (roles <@ ARRAY['agent'::text, 'leader'::text, 'supervisor'::text, 'quality'::text, 'director'::text, 'admin'::text])))
);


--
-- Name: users_user_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.users ALTER COLUMN user_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.users_user_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: agent_intervals agent_intervals_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_intervals
    ADD CONSTRAINT agent_intervals_pkey PRIMARY KEY (node, seq);


--
-- Name: audit_trail audit_trail_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_trail
    ADD CONSTRAINT audit_trail_pkey PRIMARY KEY (entry_id);


--
-- Name: call_customers call_customers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.call_customers
    ADD CONSTRAINT call_customers_pkey PRIMARY KEY (call_id);


--
-- Name: callers callers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.callers
    ADD CONSTRAINT callers_pkey PRIMARY KEY (number);


--
-- Name: calls calls_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_pkey PRIMARY KEY (call_id);


--
-- Name: customer_appointments customer_appointments_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_appointments
    ADD CONSTRAINT customer_appointments_pkey PRIMARY KEY (appointment_id);


--
-- Name: customer_changes customer_changes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_changes
    ADD CONSTRAINT customer_changes_pkey PRIMARY KEY (change_id);


--
-- Name: customer_fields customer_fields_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_fields
    ADD CONSTRAINT customer_fields_pkey PRIMARY KEY (code);


--
-- Name: customer_import_bad_rows customer_import_bad_rows_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_import_bad_rows
    ADD CONSTRAINT customer_import_bad_rows_pkey PRIMARY KEY (import_id, "row");


--
-- Name: customer_imports customer_imports_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_imports
    ADD CONSTRAINT customer_imports_pkey PRIMARY KEY (import_id);


--
-- Name: customer_merges customer_merges_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_merges
    ADD CONSTRAINT customer_merges_pkey PRIMARY KEY (merge_id);


--
-- Name: customer_notes customer_notes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_notes
    ADD CONSTRAINT customer_notes_pkey PRIMARY KEY (note_id);


--
-- Name: customer_numbers customer_numbers_customer_id_number_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_numbers
    ADD CONSTRAINT customer_numbers_customer_id_number_key UNIQUE (customer_id, number);


--
-- Name: customer_numbers customer_numbers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_numbers
    ADD CONSTRAINT customer_numbers_pkey PRIMARY KEY (number_id);


--
-- Name: customer_terms customer_terms_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_terms
    ADD CONSTRAINT customer_terms_pkey PRIMARY KEY (term, customer_id);


--
-- Name: customers customers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (customer_id);


--
-- Name: departments departments_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.departments
    ADD CONSTRAINT departments_name_key UNIQUE (name);


--
-- Name: departments departments_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.departments
    ADD CONSTRAINT departments_pkey PRIMARY KEY (department_id);


--
-- Name: gaps gaps_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.gaps
    ADD CONSTRAINT gaps_pkey PRIMARY KEY (node, seq);


--
-- Name: journal_node journal_node_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.journal_node
    ADD CONSTRAINT journal_node_pkey PRIMARY KEY (node);


--
-- Name: journal journal_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.journal
    ADD CONSTRAINT journal_pkey PRIMARY KEY (node, seq);


--
-- Name: journal_spool journal_spool_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.journal_spool
    ADD CONSTRAINT journal_spool_pkey PRIMARY KEY (node, identity);


--
-- Name: projections projections_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.projections
    ADD CONSTRAINT projections_pkey PRIMARY KEY (name, node);


--
-- Name: queue_figures queue_figures_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue_figures
    ADD CONSTRAINT queue_figures_pkey PRIMARY KEY (node, queue, quarter);


--
-- Name: queue_visits queue_visits_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue_visits
    ADD CONSTRAINT queue_visits_pkey PRIMARY KEY (visit_id);


--
-- Name: recording_listened recording_listened_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.recording_listened
    ADD CONSTRAINT recording_listened_pkey PRIMARY KEY (listening_id);


--
-- Name: recordings recordings_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.recordings
    ADD CONSTRAINT recordings_pkey PRIMARY KEY (recording_id);


--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


--
-- Name: sessions sessions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (token_sha256);


--
-- Name: sessions sessions_session_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_session_id_key UNIQUE (session_id);


--
-- Name: teams teams_department_id_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.teams
    ADD CONSTRAINT teams_department_id_name_key UNIQUE (department_id, name);


--
-- Name: teams teams_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.teams
    ADD CONSTRAINT teams_pkey PRIMARY KEY (team_id);


--
-- Name: users users_agent_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_agent_id_key UNIQUE (agent_id);


--
-- Name: users users_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_name_key UNIQUE (name);


--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (user_id);


--
-- Name: agent_intervals_agent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_intervals_agent ON public.agent_intervals USING btree (agent_id, from_at);


--
-- Name: agent_intervals_from; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_intervals_from ON public.agent_intervals USING btree (from_at);


--
-- Name: agent_intervals_open; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX agent_intervals_open ON public.agent_intervals USING btree (node, agent_id) WHERE (to_at IS NULL);


--
-- Name: audit_trail_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_trail_at ON public.audit_trail USING btree (at DESC, entry_id DESC);


--
-- Name: audit_trail_object; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_trail_object ON public.audit_trail USING btree (object_kind, object_id, at DESC);


--
-- Name: audit_trail_refused; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX audit_trail_refused ON public.audit_trail USING btree (user_name, date_trunc('minute'::text, (at AT TIME ZONE 'UTC'::text))) WHERE (what = 'sign_in_refused'::text);


--
-- Name: audit_trail_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_trail_user ON public.audit_trail USING btree (user_name, at DESC);


--
-- Name: call_customers_customer; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX call_customers_customer ON public.call_customers USING btree (customer_id);


--
-- Name: calls_agents; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX calls_agents ON public.calls USING gin (agents);


--
-- Name: calls_called; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX calls_called ON public.calls USING btree (called_number, started_at);


--
-- Name: calls_caller; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX calls_caller ON public.calls USING btree (caller_number, started_at);


--
-- Name: calls_merged; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX calls_merged ON public.calls USING btree (merged_into) WHERE (merged_into IS NOT NULL);


--
-- Name: calls_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX calls_open ON public.calls USING btree (started_at) WHERE (ended_at IS NULL);


--
-- Name: calls_started; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX calls_started ON public.calls USING btree (started_at, call_id);


--
-- Name: customer_appointments_customer; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX customer_appointments_customer ON public.customer_appointments USING btree (customer_id, due_at);


--
-- Name: customer_appointments_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX customer_appointments_open ON public.customer_appointments USING btree (agent_id, due_at) WHERE (done_at IS NULL);


--
-- Name: customer_changes_customer; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX customer_changes_customer ON public.customer_changes USING btree (customer_id, at);


--
-- Name: customer_merges_other; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX customer_merges_other ON public.customer_merges USING btree (other_id) WHERE (undone_at IS NULL);


--
-- Name: customer_notes_customer; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX customer_notes_customer ON public.customer_notes USING btree (customer_id, at);


--
-- Name: customer_numbers_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX customer_numbers_number ON public.customer_numbers USING btree (number);


--
-- Name: customers_merged; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX customers_merged ON public.customers USING btree (merged_into) WHERE (merged_into IS NOT NULL);


--
-- Name: customers_terms; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX customers_terms ON public.customers USING gin (terms);


--
-- Name: customers_updated; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX customers_updated ON public.customers USING btree (updated_at, customer_id) WHERE (deleted_at IS NULL);


--
-- Name: gaps_to; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX gaps_to ON public.gaps USING btree (to_at);


--
-- Name: journal_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX journal_at ON public.journal USING brin (at);


--
-- Name: journal_call; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX journal_call ON public.journal USING btree (call_id, node, seq) WHERE (call_id IS NOT NULL);


--
-- Name: queue_figures_quarter; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX queue_figures_quarter ON public.queue_figures USING btree (quarter);


--
-- Name: queue_visits_call; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX queue_visits_call ON public.queue_visits USING btree (call_id);


--
-- Name: queue_visits_entered; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX queue_visits_entered ON public.queue_visits USING btree (queue, entered_at);


--
-- Name: recording_listened_recording; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX recording_listened_recording ON public.recording_listened USING btree (recording_id, last_at);


--
-- Name: recordings_call; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX recordings_call ON public.recordings USING btree (call_id);


--
-- Name: recordings_started; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX recordings_started ON public.recordings USING btree (started_at);


--
-- Name: sessions_expiry; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sessions_expiry ON public.sessions USING btree (expires_at);


--
-- Name: sessions_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sessions_user ON public.sessions USING btree (user_id);


--
-- Name: users_team; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX users_team ON public.users USING btree (team_id);


--
-- Name: audit_trail audit_trail_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_trail_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_trail FOR EACH STATEMENT EXECUTE FUNCTION public.audit_trail_is_append_only();


--
-- Name: callers callers_deleted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER callers_deleted AFTER DELETE ON public.callers REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.callers_tell();


--
-- Name: callers callers_inserted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER callers_inserted AFTER INSERT ON public.callers REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.callers_tell();


--
-- Name: callers callers_renumbered; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER callers_renumbered AFTER UPDATE ON public.callers REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.callers_tell();


--
-- Name: callers callers_updated; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER callers_updated AFTER UPDATE ON public.callers REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.callers_tell();


--
-- Name: journal journal_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER journal_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.journal FOR EACH STATEMENT EXECUTE FUNCTION public.journal_is_append_only();


--
-- Name: teams teams_changed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER teams_changed AFTER INSERT OR DELETE OR UPDATE ON public.teams FOR EACH STATEMENT EXECUTE FUNCTION public.people_tell();


--
-- Name: users users_come_and_go; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER users_come_and_go AFTER INSERT OR DELETE ON public.users FOR EACH STATEMENT EXECUTE FUNCTION public.people_tell();


--
-- Name: users users_moved; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER users_moved AFTER UPDATE OF agent_id, team_id ON public.users FOR EACH STATEMENT EXECUTE FUNCTION public.people_tell();


--
-- Name: call_customers call_customers_customer_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.call_customers
    ADD CONSTRAINT call_customers_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers(customer_id);


--
-- Name: customer_appointments customer_appointments_customer_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_appointments
    ADD CONSTRAINT customer_appointments_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers(customer_id);


--
-- Name: customer_changes customer_changes_customer_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_changes
    ADD CONSTRAINT customer_changes_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers(customer_id);


--
-- Name: customer_import_bad_rows customer_import_bad_rows_import_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_import_bad_rows
    ADD CONSTRAINT customer_import_bad_rows_import_id_fkey FOREIGN KEY (import_id) REFERENCES public.customer_imports(import_id) ON DELETE CASCADE;


--
-- Name: customer_merges customer_merges_into_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_merges
    ADD CONSTRAINT customer_merges_into_id_fkey FOREIGN KEY (into_id) REFERENCES public.customers(customer_id);


--
-- Name: customer_merges customer_merges_other_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_merges
    ADD CONSTRAINT customer_merges_other_id_fkey FOREIGN KEY (other_id) REFERENCES public.customers(customer_id);


--
-- Name: customer_notes customer_notes_customer_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_notes
    ADD CONSTRAINT customer_notes_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers(customer_id);


--
-- Name: customer_numbers customer_numbers_customer_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_numbers
    ADD CONSTRAINT customer_numbers_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers(customer_id);


--
-- Name: customers customers_merged_into_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_merged_into_fkey FOREIGN KEY (merged_into) REFERENCES public.customers(customer_id);


--
-- Name: journal_spool journal_spool_node_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.journal_spool
    ADD CONSTRAINT journal_spool_node_fkey FOREIGN KEY (node) REFERENCES public.journal_node(node);


--
-- Name: sessions sessions_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) ON DELETE CASCADE;


--
-- Name: teams teams_department_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.teams
    ADD CONSTRAINT teams_department_id_fkey FOREIGN KEY (department_id) REFERENCES public.departments(department_id);


--
-- Name: users users_team_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(team_id);


--
-- PostgreSQL database dump complete
--



--
-- Dbmate schema migrations
--

INSERT INTO public.schema_migrations (version) VALUES
    ('20261122000100'),
    ('20261122000200'),
    ('20261122000300'),
    ('20261122000400'),
    ('20261122000500'),
    ('20261122000600'),
    ('20261122010000'),
    ('20261122020000');
