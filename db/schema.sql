--
-- PostgreSQL database dump
--

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

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: accounts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.accounts (
    id bigint NOT NULL,
    username text NOT NULL COLLATE pg_catalog."C",
    status smallint NOT NULL,
    signing_key bytea NOT NULL,
    encryption_key bytea NOT NULL,
    password_hash text NOT NULL COLLATE pg_catalog."C",
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    last_request_hash bytea NOT NULL,
    last_code integer NOT NULL,
    last_message text NOT NULL,
    last_result bytea NOT NULL,
    last_message_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT accounts_encryption_key_size CHECK ((octet_length(encryption_key) = 32)),
    CONSTRAINT accounts_last_request_hash_size CHECK ((octet_length(last_request_hash) = 32)),
    CONSTRAINT accounts_seq_order CHECK (((last_seq >= first_seq) AND (first_seq >= 0))),
    CONSTRAINT accounts_signing_key_size CHECK ((octet_length(signing_key) = 32)),
    CONSTRAINT accounts_status_known CHECK (((status >= 1) AND (status <= 4)))
)
WITH (fillfactor='70');

--
-- Name: group_bodies; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.group_bodies (
    group_id bigint NOT NULL,
    id uuid NOT NULL,
    body bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT group_bodies_body_size CHECK ((octet_length(body) <= 393344))
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_insert_scale_factor='0.1');
ALTER TABLE ONLY public.group_bodies ALTER COLUMN body SET STORAGE EXTERNAL;

--
-- Name: group_members; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.group_members (
    group_id bigint NOT NULL,
    member_id bigint NOT NULL,
    leave bytea,
    CONSTRAINT group_members_leave_size CHECK ((octet_length(leave) <= 256))
);

--
-- Name: groups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.groups (
    id bigint NOT NULL,
    version bigint NOT NULL,
    epoch integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    admin_id bigint NOT NULL,
    next_share bytea NOT NULL,
    next_share_hash bytea NOT NULL,
    roster bytea,
    roster_hash bytea,
    member_keys bytea,
    CONSTRAINT groups_epoch_sign CHECK ((epoch >= 0)),
    CONSTRAINT groups_member_keys_size CHECK ((octet_length(member_keys) <= 32000)),
    CONSTRAINT groups_name_size CHECK ((octet_length(name) <= 256)),
    CONSTRAINT groups_next_share_hash_size CHECK ((octet_length(next_share_hash) = 32)),
    CONSTRAINT groups_next_share_size CHECK ((octet_length(next_share) = 32)),
    CONSTRAINT groups_roster_hash_size CHECK ((octet_length(roster_hash) = 32)),
    CONSTRAINT groups_roster_size CHECK ((octet_length(roster) <= 393344))
);

--
-- Name: member_groups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.member_groups (
    member_id bigint NOT NULL,
    group_id bigint NOT NULL
);

--
-- Name: messages; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.messages (
    recipient_id bigint NOT NULL,
    id uuid NOT NULL,
    sender_id bigint NOT NULL,
    body bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    kind smallint DEFAULT 1 NOT NULL,
    group_id bigint,
    epoch integer,
    shared_size integer,
    CONSTRAINT messages_body_size CHECK ((octet_length(body) <= 132096)),
    CONSTRAINT messages_kind_known CHECK (((kind >= 1) AND (kind <= 4)))
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_insert_scale_factor='0.1');
ALTER TABLE ONLY public.messages ALTER COLUMN body SET STORAGE EXTERNAL;

--
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_migrations (
    version character varying(128) NOT NULL
);

--
-- Name: sealing_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sealing_keys (
    id bytea NOT NULL,
    content bytea NOT NULL,
    signature bytea NOT NULL,
    wrapped_private_key bytea NOT NULL,
    not_before timestamp with time zone NOT NULL,
    not_after timestamp with time zone NOT NULL,
    CONSTRAINT sealing_keys_content_size CHECK ((octet_length(content) <= 256)),
    CONSTRAINT sealing_keys_id_size CHECK ((octet_length(id) = 8)),
    CONSTRAINT sealing_keys_signature_size CHECK ((octet_length(signature) = 64)),
    CONSTRAINT sealing_keys_time_order CHECK ((not_before < not_after)),
    CONSTRAINT sealing_keys_wrapped_private_key_size CHECK ((octet_length(wrapped_private_key) <= 1024))
);

--
-- Name: signing_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.signing_keys (
    signing_key bytea NOT NULL,
    account_id bigint NOT NULL,
    state smallint NOT NULL,
    CONSTRAINT signing_keys_signing_key_size CHECK ((octet_length(signing_key) = 32)),
    CONSTRAINT signing_keys_state_known CHECK (((state >= 1) AND (state <= 3)))
);

--
-- Name: usernames; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usernames (
    username text NOT NULL COLLATE pg_catalog."C",
    account_id bigint NOT NULL,
    identity bytea NOT NULL,
    CONSTRAINT usernames_identity_size CHECK ((octet_length(identity) <= 2048))
);

--
-- Name: accounts accounts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);

--
-- Name: group_bodies group_bodies_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.group_bodies
    ADD CONSTRAINT group_bodies_pkey PRIMARY KEY (group_id, id);

--
-- Name: group_members group_members_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.group_members
    ADD CONSTRAINT group_members_pkey PRIMARY KEY (group_id, member_id);

--
-- Name: groups groups_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (id);

--
-- Name: member_groups member_groups_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.member_groups
    ADD CONSTRAINT member_groups_pkey PRIMARY KEY (member_id, group_id);

--
-- Name: messages messages_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (recipient_id, id);

--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

--
-- Name: sealing_keys sealing_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sealing_keys
    ADD CONSTRAINT sealing_keys_pkey PRIMARY KEY (id);

--
-- Name: signing_keys signing_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (signing_key);

--
-- Name: usernames usernames_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usernames
    ADD CONSTRAINT usernames_pkey PRIMARY KEY (username);

--
-- Name: messages_shared; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX messages_shared ON public.messages USING btree (id) WHERE (shared_size IS NOT NULL);

--
-- PostgreSQL database dump complete
--

