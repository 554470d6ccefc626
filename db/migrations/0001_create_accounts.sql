-- Rules that keep the schema portable to Citus: every primary key contains the
-- column that its table would be distributed by and there is no other unique
-- constraint; no foreign keys between owners; no sequences (the server makes
-- ids: random 63 bits for accounts, UUIDv7 for messages); now() only as a
-- default.

-- migrate:up

-- The authority on an account: its keys, its number and the result of its last
-- request. No index on any column that a request changes: updates stay HOT.
CREATE TABLE accounts (
    id bigint CONSTRAINT accounts_pkey PRIMARY KEY,
    -- canonical; unique through usernames, of which a refused sign-up has none
    username text COLLATE "C" NOT NULL,
    -- 1 active, 2 disabled, 3 deleted, 4 a refused sign-up
    status smallint NOT NULL
        CONSTRAINT accounts_status_known CHECK (status BETWEEN 1 AND 4),
    signing_key bytea NOT NULL
        CONSTRAINT accounts_signing_key_size CHECK (octet_length(signing_key) = 32),
    encryption_key bytea NOT NULL
        CONSTRAINT accounts_encryption_key_size CHECK (octet_length(encryption_key) = 32),
    -- PHC string: parameters, salt and hash
    password_hash text COLLATE "C" NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    last_request_hash bytea NOT NULL
        CONSTRAINT accounts_last_request_hash_size CHECK (octet_length(last_request_hash) = 32),
    last_code integer NOT NULL,
    last_message text NOT NULL,
    -- what the reply is made from again; server/store/send_result.h
    last_result bytea NOT NULL,
    last_message_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT accounts_seq_order CHECK (last_seq >= first_seq AND first_seq >= 0)
) WITH (fillfactor = 70);

-- Which account has a name, and the owner's signed statement of its keys.
CREATE TABLE usernames (
    username text COLLATE "C" CONSTRAINT usernames_pkey PRIMARY KEY,
    account_id bigint NOT NULL,
    identity bytea NOT NULL
        CONSTRAINT usernames_identity_size CHECK (octet_length(identity) <= 2048)
);

-- Every signing key that was ever used to sign up; rows are never deleted.
CREATE TABLE signing_keys (
    signing_key bytea CONSTRAINT signing_keys_pkey PRIMARY KEY
        CONSTRAINT signing_keys_signing_key_size CHECK (octet_length(signing_key) = 32),
    account_id bigint NOT NULL,
    -- 1 current, 2 stale (replaced, or the account is gone), 3 of a refused sign-up
    state smallint NOT NULL
        CONSTRAINT signing_keys_state_known CHECK (state BETWEEN 1 AND 3)
);

-- migrate:down

DROP TABLE signing_keys;
DROP TABLE usernames;
DROP TABLE accounts;
