-- migrate:up

-- A group as it stands. Who changes anything about it raises version first, so
-- that of two changes to one state only one happens.
CREATE TABLE groups (
    id bigint CONSTRAINT groups_pkey PRIMARY KEY,
    version bigint NOT NULL,
    epoch integer NOT NULL
        CONSTRAINT groups_epoch_sign CHECK (epoch >= 0),
    name text COLLATE "C" NOT NULL
        CONSTRAINT groups_name_size CHECK (octet_length(name) <= 256),
    admin_id bigint NOT NULL,
    -- the server's share of the key of the epoch to come
    next_share bytea NOT NULL
        CONSTRAINT groups_next_share_size CHECK (octet_length(next_share) = 32),
    next_share_hash bytea NOT NULL
        CONSTRAINT groups_next_share_hash_size CHECK (octet_length(next_share_hash) = 32),
    -- a serialized SignedMessage; NULL in epoch 0
    roster bytea
        CONSTRAINT groups_roster_size CHECK (octet_length(roster) <= 393344),
    roster_hash bytea
        CONSTRAINT groups_roster_hash_size CHECK (octet_length(roster_hash) = 32),
    -- the signing keys that it was created with, one after the other; in epoch 0
    member_keys bytea
        CONSTRAINT groups_member_keys_size CHECK (octet_length(member_keys) <= 32000)
);

-- Who is in a group, and who has left it since its roster was made.
CREATE TABLE group_members (
    group_id bigint NOT NULL,
    member_id bigint NOT NULL,
    -- a serialized SignedMessage: it has left
    leave bytea
        CONSTRAINT group_members_leave_size CHECK (octet_length(leave) <= 256),
    CONSTRAINT group_members_pkey PRIMARY KEY (group_id, member_id)
);

-- An account's groups: group_members without those who have left, by member.
CREATE TABLE member_groups (
    member_id bigint NOT NULL,
    group_id bigint NOT NULL,
    CONSTRAINT member_groups_pkey PRIMARY KEY (member_id, group_id)
);

-- What many recipients get, once: messages to a group, and rosters. Rows of
-- messages with the same id point here; a row that none points to is swept.
CREATE TABLE group_bodies (
    group_id bigint NOT NULL,
    id uuid NOT NULL,
    body bytea NOT NULL
        CONSTRAINT group_bodies_body_size CHECK (octet_length(body) <= 393344),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT group_bodies_pkey PRIMARY KEY (group_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1);

ALTER TABLE group_bodies ALTER COLUMN body SET STORAGE EXTERNAL;

ALTER TABLE messages
    -- 1 from user to user, 2 to a group, 3 key update with its letter as body,
    -- 4 leave
    ADD COLUMN kind smallint NOT NULL DEFAULT 1
        CONSTRAINT messages_kind_known CHECK (kind BETWEEN 1 AND 4),
    ADD COLUMN group_id bigint,
    ADD COLUMN epoch integer,
    -- bytes of what is in group_bodies; NULL: nothing is
    ADD COLUMN shared_size integer;

-- For the sweep: whether anyone still points to a body.
CREATE INDEX messages_shared ON messages (id) WHERE shared_size IS NOT NULL;

-- migrate:down

DELETE FROM messages WHERE kind <> 1;
DROP INDEX messages_shared;
ALTER TABLE messages
    DROP COLUMN kind,
    DROP COLUMN group_id,
    DROP COLUMN epoch,
    DROP COLUMN shared_size;
DROP TABLE group_bodies;
DROP TABLE member_groups;
DROP TABLE group_members;
DROP TABLE groups;
