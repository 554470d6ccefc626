#include "client/state_sql.h"

/* SQLite 3.15, as client/state_schema.c. */

#define MESSAGE_COLUMNS                                                        \
	"number, direction, message_id, peer, peer_canonical, peer_key, "      \
	"text, sent_at_ms, stored_at_ms, outcome, author, missing_before, "    \
	"shown, sequence_order, group_id, epoch, kind, event, "               \
	"(SELECT groups.name FROM groups"                                     \
	" WHERE groups.group_id = messages.group_id)"

/* Where messages wait to be encrypted; as the index messages_unsealed. */
#define IS_UNSEALED "group_id IS NOT NULL AND outcome = 0 AND sequence IS NULL"

#define GROUP_COLUMNS                                                          \
	"groups.group_id, name, status, is_admin, is_forked, groups.epoch, "  \
	"gone_epoch, refused_epoch, invited, has_key, roster_hash, roster, "  \
	"(SELECT count(*) FROM group_queue"                                   \
	" WHERE group_queue.group_id = groups.group_id AND kind = 3)"         \
	" FROM groups LEFT JOIN group_epochs"                                 \
	" ON group_epochs.group_id = groups.group_id"                         \
	" AND group_epochs.epoch = groups.epoch"

const char *const state_statements[STATE_STATEMENT_COUNT] = {
    [STATE_BEGIN] = "BEGIN IMMEDIATE",
    [STATE_COMMIT] = "COMMIT",
    [STATE_ROLLBACK] = "ROLLBACK",
    [STATE_ACCOUNT_ADD] =
	"INSERT INTO account (one, signing_key, status, last_sequence)"
	" VALUES (1, ?1, 0, 0)",
    [STATE_ACCOUNT_READ] =
	"SELECT signing_key, status, last_sequence, refusal_code, refusal"
	" FROM account",
    [STATE_ACCOUNT_SET_STATUS] =
	"UPDATE account SET status = ?1, refusal_code = ?2, refusal = ?3",
    [STATE_ACCOUNT_SET_SEQUENCE] = "UPDATE account SET last_sequence = ?1",

    [STATE_OUTBOX_ADD] = "INSERT INTO outbox (sequence, method, request)"
			 " VALUES (?1, ?2, ?3)",
    [STATE_OUTBOX_READ] = "SELECT method, is_parked, request FROM outbox"
			  " WHERE sequence = ?1",
    [STATE_OUTBOX_FIRST] = "SELECT sequence FROM outbox WHERE is_parked = 0"
			   " ORDER BY sequence LIMIT 1",
    [STATE_OUTBOX_COUNT_RANGE] = "SELECT count(*) FROM outbox"
				 " WHERE sequence >= ?1 AND sequence < ?2",
    [STATE_OUTBOX_PARK] = "UPDATE outbox SET is_parked = 1 WHERE sequence = ?1",
    [STATE_OUTBOX_COUNT_PARKED] =
	"SELECT count(*) FROM outbox WHERE is_parked = 1",
    [STATE_OUTBOX_SETTLE] = "DELETE FROM outbox WHERE sequence = ?1"
			    " OR (sequence < ?1 AND is_parked = 1)",

    [STATE_SEAL_ADD] = "INSERT INTO seals (sequence, sealing_key, reply_secret)"
		       " VALUES (?1, ?2, ?3)",
    [STATE_SEAL_PRUNE] =
	"DELETE FROM seals WHERE sequence = ?1 AND number NOT IN"
	" (SELECT number FROM seals WHERE sequence = ?1"
	" ORDER BY number DESC LIMIT ?2)",
    [STATE_SEAL_LIST] =
	"SELECT seals.sequence, sealing_key, reply_secret FROM seals"
	" JOIN outbox ON outbox.sequence = seals.sequence"
	" WHERE outbox.method = ?1 ORDER BY number DESC",
    [STATE_SEAL_COUNT] = "SELECT count(*) FROM seals WHERE sequence = ?1",
    [STATE_SEAL_SETTLE] = "DELETE FROM seals WHERE sequence NOT IN"
			  " (SELECT sequence FROM outbox)",

    [STATE_CONTACT_READ] =
	"SELECT canonical, identity, pinned_at_ms, verified_at_ms,"
	" changed_identity, changed_at_ms FROM contacts"
	" WHERE canonical = ?1",
    [STATE_CONTACT_LIST] =
	"SELECT canonical, identity, pinned_at_ms, verified_at_ms,"
	" changed_identity, changed_at_ms FROM contacts"
	" ORDER BY canonical",
    [STATE_CONTACT_PIN] =
	"INSERT INTO contacts (canonical, identity, pinned_at_ms)"
	" VALUES (?1, ?2, ?3)",
    [STATE_CONTACT_SET_CHANGED] =
	"UPDATE contacts SET changed_identity = ?2, changed_at_ms = ?3"
	" WHERE canonical = ?1",
    [STATE_CONTACT_SET_VERIFIED] =
	"UPDATE contacts SET verified_at_ms = ?2 WHERE canonical = ?1",

    [STATE_SEND_CHAIN_READ] = "SELECT counter, hash FROM send_chains"
			      " WHERE own_key = ?1 AND peer_key = ?2",
    [STATE_SEND_CHAIN_WRITE] =
	"INSERT OR REPLACE INTO send_chains"
	" (own_key, peer_key, counter, hash) VALUES (?1, ?2, ?3, ?4)",
    [STATE_RECEIVE_CHAIN_READ] = "SELECT counter, hash FROM receive_chains"
				 " WHERE own_key = ?1 AND peer_key = ?2",
    [STATE_RECEIVE_CHAIN_WRITE] =
	"INSERT OR REPLACE INTO receive_chains"
	" (own_key, peer_key, counter, hash) VALUES (?1, ?2, ?3, ?4)",

    /* Outcomes 2 to 4: it was refused, and may be tried again. */
    [STATE_OUTGOING_DELETE_REFUSED] =
	"DELETE FROM messages WHERE direction = 1 AND message_id = ?1"
	" AND outcome IN (2, 3, 4)",
    [STATE_OUTGOING_ADD] =
	"INSERT INTO messages (direction, message_id, peer,"
	" peer_canonical, conversation, peer_key, text, sent_at_ms, outcome,"
	" sequence, position, chain_counter, chain_hash)"
	" VALUES (1, ?1, ?2, ?3, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10)",
    [STATE_OUTGOING_READ] = "SELECT " MESSAGE_COLUMNS " FROM messages"
			    " WHERE direction = 1 AND message_id = ?1",
    [STATE_OUTGOING_SETTLE] =
	"UPDATE messages SET outcome = ?2, stored_at_ms = ?3,"
	" sequence = NULL, position = NULL, chain_counter = NULL,"
	" chain_hash = NULL, chain_key = NULL, chain_index = NULL"
	" WHERE number = ?1",
    [STATE_PENDING_LIST] =
	"SELECT number, peer_key, chain_counter, chain_hash FROM messages"
	" WHERE sequence = ?1 AND group_id IS NULL ORDER BY position",

    [STATE_INCOMING_IS_KNOWN] =
	"SELECT count(*) FROM messages WHERE direction = 0"
	" AND peer_key = ?1 AND message_id = ?2 AND kind = ?3",
    [STATE_INCOMING_ADD] =
	"INSERT INTO messages (direction, message_id, peer,"
	" peer_canonical, peer_key, text, sent_at_ms, stored_at_ms,"
	" author, sequence_order, missing_before, shown, conversation,"
	" group_id, epoch, kind, event)"
	" VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
	" coalesce('@' || ?12, ?3), ?12, ?13, ?14, ?15)",
    [STATE_INCOMING_UNCHECKED] =
	"SELECT DISTINCT peer_canonical FROM messages WHERE author = 3"
	" LIMIT ?1",
    /* Pinned, conflicting with a pin, or nobody is pinned. */
    [STATE_INCOMING_JUDGE] =
	"UPDATE messages SET author = CASE WHEN ?2 IS NULL THEN 0"
	" WHEN peer_key = ?2 THEN 1 ELSE 2 END"
	" WHERE author = 3 AND peer_canonical = ?1",
    [STATE_INCOMING_TAKERS] =
	"SELECT DISTINCT taken_by FROM messages WHERE shown < 2"
	" AND shown = 1",
    [STATE_INCOMING_GIVE_BACK] =
	"UPDATE messages SET shown = 0, taken_by = NULL"
	" WHERE shown < 2 AND shown = 1 AND taken_by = ?1",
    [STATE_INCOMING_TAKE] = "UPDATE messages SET shown = 1, taken_by = ?1"
			    " WHERE number IN (SELECT number FROM messages"
			    " WHERE shown < 2 AND shown = 0"
			    " AND (?2 IS NULL OR conversation = ?2)"
			    " ORDER BY number LIMIT ?3)",
    [STATE_INCOMING_TAKEN] = "SELECT " MESSAGE_COLUMNS " FROM messages"
			     " WHERE shown < 2 AND shown = 1 AND taken_by = ?1"
			     " ORDER BY number",
    [STATE_INCOMING_SET_SHOWN] =
	"UPDATE messages SET shown = ?2, taken_by = NULL"
	" WHERE number = ?1 AND direction = 0",
    [STATE_INCOMING_COUNT_WAITING] =
	"SELECT count(*) FROM messages WHERE shown < 2 AND shown = 0"
	" AND (?1 IS NULL OR conversation <> ?1)",
    [STATE_INCOMING_LAST_WAITING] =
	"SELECT peer, (SELECT name FROM groups"
	" WHERE groups.group_id = messages.group_id)"
	" FROM messages WHERE shown < 2 AND shown = 0"
	" AND (?1 IS NULL OR conversation <> ?1)"
	" ORDER BY number DESC LIMIT 1",

    [STATE_MESSAGE_LIST_FIRST] =
	"SELECT " MESSAGE_COLUMNS " FROM messages"
	" WHERE (?1 IS NULL OR conversation = ?1)"
	" AND number > ?2 AND number < ?3 ORDER BY number LIMIT ?4",
    [STATE_MESSAGE_LIST_LAST] =
	"SELECT * FROM (SELECT " MESSAGE_COLUMNS " FROM messages"
	" WHERE (?1 IS NULL OR conversation = ?1)"
	" AND number > ?2 AND number < ?3 ORDER BY number DESC LIMIT ?4)"
	" ORDER BY number",

    [STATE_ACK_ADD] = "INSERT OR IGNORE INTO acks (inbox_id) VALUES (?1)",
    [STATE_ACK_PICK] = "SELECT inbox_id FROM acks ORDER BY inbox_id LIMIT ?1",
    [STATE_ACK_ASSIGN] = "UPDATE acks SET sequence = ?2 WHERE inbox_id = ?1",
    [STATE_ACK_HAS] = "SELECT count(*) FROM acks WHERE inbox_id = ?1",
    [STATE_ACK_COUNT] = "SELECT count(*) FROM acks",
    [STATE_ACK_SETTLE] = "DELETE FROM acks WHERE sequence <= ?1",
    [STATE_ACK_REOPEN] = "UPDATE acks SET sequence = NULL WHERE sequence = ?1",
    [STATE_POLL_TAKE] =
	"UPDATE account SET last_poll = ?1 WHERE last_poll < ?1",

    [STATE_SET_ASIDE_ADD] = "INSERT OR IGNORE INTO set_aside"
			    " (inbox_id, ciphertext, stored_at_ms, reason)"
			    " VALUES (?1, ?2, ?3, ?4)",
    [STATE_SET_ASIDE_PRUNE] = "DELETE FROM set_aside WHERE number <="
			      " (SELECT max(number) FROM set_aside) - ?1",
    [STATE_SET_ASIDE_COUNT_UNTOLD] =
	"SELECT count(*) FROM set_aside WHERE is_told = 0"
	" AND (?1 IS NULL OR reason = ?1)",
    [STATE_SET_ASIDE_MARK_TOLD] =
	"UPDATE set_aside SET is_told = 1 WHERE is_told = 0",

    [STATE_GROUP_READ] =
	"SELECT " GROUP_COLUMNS " WHERE groups.group_id = ?1",
    [STATE_GROUP_LIST] =
	"SELECT " GROUP_COLUMNS " ORDER BY name, groups.group_id",
    [STATE_GROUP_ADD] =
	"INSERT OR IGNORE INTO groups (group_id, name, status, is_admin,"
	" invited, creation) VALUES (?1, ?2, 0, 1, ?3, ?4)",
    [STATE_GROUP_CREATED] = "SELECT group_id FROM groups WHERE creation = ?1",
    [STATE_GROUP_ADD_ENTERED] =
	"INSERT OR IGNORE INTO groups (group_id, name, status, is_admin)"
	" VALUES (?1, ?2, 1, ?3)",
    [STATE_GROUP_ENTER] =
	"UPDATE groups SET name = ?2, epoch = ?3, status = 1, is_admin = ?4,"
	" gone_epoch = 0, invited = '' WHERE group_id = ?1",
    [STATE_GROUP_ENTER_PAST] =
	"UPDATE groups SET name = ?2, epoch = ?3 WHERE group_id = ?1",
    [STATE_GROUP_SET_GONE] =
	"UPDATE groups SET status = ?2, gone_epoch = ?3, is_admin = 0,"
	" invited = '' WHERE group_id = ?1",
    [STATE_GROUP_SET_FORKED] =
	"UPDATE groups SET is_forked = 1 WHERE group_id = ?1",
    [STATE_GROUP_SET_REFUSED] =
	"UPDATE groups SET refused_epoch = ?2 WHERE group_id = ?1",

    [STATE_GROUP_EPOCH_READ] =
	"SELECT has_key, roster_hash, roster FROM group_epochs"
	" WHERE group_id = ?1 AND epoch = ?2",
    [STATE_GROUP_EPOCH_ADD] =
	"INSERT INTO group_epochs (group_id, epoch, roster, roster_hash,"
	" has_key) VALUES (?1, ?2, ?3, ?4, ?5)",
    [STATE_GROUP_EPOCH_END] =
	"UPDATE group_epochs SET ended_at_ms = ?2"
	" WHERE group_id = ?1 AND ended_at_ms IS NULL",
    /* By an index, however long the list of groups is. */
    [STATE_GROUP_CHAINS_PRUNE] =
	"DELETE FROM group_chains WHERE (group_id, epoch) IN"
	" (SELECT group_id, epoch FROM group_epochs"
	" WHERE ended_at_ms IS NOT NULL AND ended_at_ms < ?1)",
    [STATE_GROUP_SKIPPED_PRUNE] =
	"DELETE FROM group_skipped WHERE (group_id, epoch) IN"
	" (SELECT group_id, epoch FROM group_epochs"
	" WHERE ended_at_ms IS NOT NULL AND ended_at_ms < ?1)",
    [STATE_GROUP_EPOCHS_PRUNE] =
	"DELETE FROM group_epochs WHERE ended_at_ms IS NOT NULL"
	" AND ended_at_ms < ?1 AND epoch <> (SELECT groups.epoch FROM groups"
	" WHERE groups.group_id = group_epochs.group_id)",

    /* Of what the three above take away. */
    [STATE_GROUP_EPOCHS_COUNT_ENDED] =
	"SELECT count(*) FROM group_epochs WHERE ended_at_ms IS NOT NULL"
	" AND ended_at_ms < ?1 AND (epoch <> (SELECT groups.epoch FROM groups"
	" WHERE groups.group_id = group_epochs.group_id)"
	" OR EXISTS (SELECT 1 FROM group_chains"
	" WHERE group_chains.group_id = group_epochs.group_id"
	" AND group_chains.epoch = group_epochs.epoch))",

    [STATE_GROUP_CHAIN_READ] =
	"SELECT idx, chain FROM group_chains"
	" WHERE group_id = ?1 AND epoch = ?2 AND sender_key = ?3",
    [STATE_GROUP_CHAIN_WRITE] =
	"INSERT OR REPLACE INTO group_chains (group_id, epoch, sender_key,"
	" idx, chain) VALUES (?1, ?2, ?3, ?4, ?5)",
    [STATE_GROUP_SKIPPED_READ] =
	"SELECT message_key FROM group_skipped WHERE group_id = ?1"
	" AND epoch = ?2 AND sender_key = ?3 AND idx = ?4",
    [STATE_GROUP_SKIPPED_ADD] =
	"INSERT OR REPLACE INTO group_skipped (group_id, epoch, sender_key,"
	" idx, message_key) VALUES (?1, ?2, ?3, ?4, ?5)",
    [STATE_GROUP_SKIPPED_REMOVE] =
	"DELETE FROM group_skipped WHERE group_id = ?1"
	" AND epoch = ?2 AND sender_key = ?3 AND idx = ?4",
    [STATE_GROUP_SKIPPED_TRIM] =
	"DELETE FROM group_skipped WHERE group_id = ?1 AND epoch = ?2"
	" AND sender_key = ?3 AND idx <= (SELECT idx FROM group_skipped"
	" WHERE group_id = ?1 AND epoch = ?2 AND sender_key = ?3"
	" ORDER BY idx DESC LIMIT 1 OFFSET ?4)",
    [STATE_GROUP_COUNTER_READ] =
	"SELECT counter, hash FROM group_counters"
	" WHERE group_id = ?1 AND sender_key = ?2",
    [STATE_GROUP_COUNTER_WRITE] =
	"INSERT OR REPLACE INTO group_counters (group_id, sender_key,"
	" counter, hash) VALUES (?1, ?2, ?3, ?4)",
    [STATE_GROUP_COUNTERS_FORGET] =
	"DELETE FROM group_counters WHERE group_id = ?1 AND sender_key <> ?2",

    [STATE_GROUP_LEAVE_ADD] =
	"INSERT OR IGNORE INTO group_leaves (group_id, member_key, leave)"
	" VALUES (?1, ?2, ?3)",
    [STATE_GROUP_LEAVE_HAS] =
	"SELECT count(*) FROM group_leaves"
	" WHERE group_id = ?1 AND member_key = ?2",
    [STATE_GROUP_LEAVES_FORGET] =
	"DELETE FROM group_leaves WHERE group_id = ?1",
    [STATE_GROUP_LEAVE_LIST] =
	"SELECT member_key FROM group_leaves WHERE group_id = ?1"
	" ORDER BY member_key",
    /* CREATING, or ACTIVE and somebody has left. */
    [STATE_GROUPS_OWING] =
	"SELECT group_id FROM groups WHERE is_admin = 1 AND (status = 0 OR"
	" (status = 1 AND EXISTS (SELECT 1 FROM group_leaves"
	" WHERE group_leaves.group_id = groups.group_id)))"
	" AND NOT EXISTS (SELECT 1 FROM group_updates"
	" WHERE group_updates.group_id = groups.group_id)"
	" ORDER BY group_id",

    [STATE_GROUP_UPDATE_ADD] =
	"INSERT INTO group_updates (sequence, group_id, epoch, purpose, name,"
	" invited, roster, admin_secret, server_share)"
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [STATE_GROUP_UPDATE_READ] =
	"SELECT group_id, epoch, purpose, name, invited, roster,"
	" admin_secret, server_share FROM group_updates WHERE sequence = ?1",
    [STATE_GROUP_UPDATE_REMOVE] =
	"DELETE FROM group_updates WHERE sequence = ?1",
    [STATE_GROUP_UPDATE_COUNT] =
	"SELECT count(*) FROM group_updates WHERE group_id = ?1",

    [STATE_GROUP_OUTGOING_ADD] =
	"INSERT INTO messages (direction, message_id, peer, peer_canonical,"
	" peer_key, conversation, group_id, text, sent_at_ms, outcome)"
	" VALUES (1, ?1, '', '', zeroblob(32), '@' || ?2, ?2, ?3, ?4, 0)",
    [STATE_GROUP_OUTGOING_WAITING] =
	"SELECT " MESSAGE_COLUMNS " FROM messages WHERE " IS_UNSEALED
	" AND group_id = ?1 ORDER BY number LIMIT ?2",
    [STATE_GROUPS_SENDING] =
	"SELECT groups.group_id FROM groups JOIN group_epochs"
	" ON group_epochs.group_id = groups.group_id"
	" AND group_epochs.epoch = groups.epoch"
	" WHERE status = 1 AND has_key = 1 AND refused_epoch <> groups.epoch"
	" AND EXISTS (SELECT 1 FROM messages WHERE " IS_UNSEALED
	" AND messages.group_id = groups.group_id) ORDER BY groups.group_id",
    [STATE_GROUP_OUTGOING_ASSIGN] =
	"UPDATE messages SET sequence = ?2, position = ?3, epoch = ?4,"
	" chain_counter = ?5, chain_hash = ?6, chain_index = ?7,"
	" chain_key = ?8 WHERE number = ?1",
    [STATE_GROUP_PENDING_LIST] =
	"SELECT number, group_id, position, epoch, chain_counter, chain_hash,"
	" chain_index, chain_key FROM messages"
	" WHERE sequence = ?1 AND group_id IS NOT NULL ORDER BY position",
    [STATE_GROUP_OUTGOING_RELEASE] =
	"UPDATE messages SET sequence = NULL, position = NULL, epoch = 0,"
	" chain_counter = NULL, chain_hash = NULL, chain_index = NULL,"
	" chain_key = NULL WHERE number = ?1",
    [STATE_GROUP_OUTGOING_REFUSE] =
	"UPDATE messages SET outcome = 4 WHERE " IS_UNSEALED
	" AND group_id = ?1",

    [STATE_GROUP_ITEM_ADD] =
	"INSERT OR IGNORE INTO group_queue (inbox_id, group_id, kind, epoch,"
	" stored_at_ms, ciphertext, roster, leave)"
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STATE_GROUP_ITEM_LIST] =
	"SELECT number, inbox_id, group_id, kind, epoch, stored_at_ms"
	" FROM group_queue WHERE number > ?1 ORDER BY number LIMIT ?2",
    [STATE_GROUP_ITEM_READ] =
	"SELECT number, inbox_id, group_id, kind, epoch, stored_at_ms,"
	" ciphertext, roster, leave FROM group_queue WHERE number = ?1",
    [STATE_GROUP_ITEM_REMOVE] = "DELETE FROM group_queue WHERE number = ?1",
    [STATE_GROUP_ITEM_COUNT] = "SELECT count(*) FROM group_queue",
    [STATE_GROUP_ITEM_LOWEST_UPDATE] =
	"SELECT min(epoch) FROM group_queue"
	" WHERE group_id = ?1 AND kind = 0 AND epoch > ?2",
    [STATE_GROUP_ITEM_HAS_UPDATE] =
	"SELECT EXISTS (SELECT 1 FROM group_queue"
	" WHERE group_id = ?1 AND kind = 0)",
};
