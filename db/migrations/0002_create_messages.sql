-- migrate:up

-- What waits for its recipient. Rows live shortly and in large numbers, hence
-- the eager vacuum.
CREATE TABLE messages (
    recipient_id bigint NOT NULL,
    id uuid NOT NULL,
    sender_id bigint NOT NULL,
    body bytea NOT NULL
        CONSTRAINT messages_body_size CHECK (octet_length(body) <= 132096),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT messages_pkey PRIMARY KEY (recipient_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1);

-- Ciphertext does not compress.
ALTER TABLE messages ALTER COLUMN body SET STORAGE EXTERNAL;

-- migrate:down

DROP TABLE messages;
