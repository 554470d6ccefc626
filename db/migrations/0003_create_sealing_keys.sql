-- migrate:up

-- The keys that requests are sealed to, shared by all servers. The private
-- parts are wrapped under a key that only the servers have.
CREATE TABLE sealing_keys (
    id bytea CONSTRAINT sealing_keys_pkey PRIMARY KEY
        CONSTRAINT sealing_keys_id_size CHECK (octet_length(id) = 8),
    -- the serialized SealingKey that was signed
    content bytea NOT NULL
        CONSTRAINT sealing_keys_content_size CHECK (octet_length(content) <= 256),
    signature bytea NOT NULL
        CONSTRAINT sealing_keys_signature_size CHECK (octet_length(signature) = 64),
    wrapped_private_key bytea NOT NULL
        CONSTRAINT sealing_keys_wrapped_private_key_size CHECK (octet_length(wrapped_private_key) <= 1024),
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    CONSTRAINT sealing_keys_time_order CHECK (not_before < not_after)
);

-- migrate:down

DROP TABLE sealing_keys;
