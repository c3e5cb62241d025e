

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
-- Name: callers_tell(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.callers_tell() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF (SELECT count(*) FROM changed) > 100 THEN
        PERFORM pg_notify('callers_changed', '*');
    ELSE
        PERFORM pg_notify('callers_changed', number) FROM changed;
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
    CONSTRAINT sessions_token_sha256_check CHECK ((octet_length(token_sha256) = 32))
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
    ('20261122000600');
