#include "server/store/statement.h"

/*
 * Everything is found by primary keys. Sequential and bitmap scans would lock
 * rows in the order of the disk, and a plan made while the tables were empty
 * would stay in use when they are not. Nested loops compare every element of
 * an array with every row. Generic plans save planning, and fail on Citus. A
 * batch that stops half-way must not hold its locks for long.
 */
const char *const statement_settings =
    "SET client_min_messages = warning;"
    "SET enable_seqscan = off;"
    "SET enable_bitmapscan = off;"
    "SET enable_nestloop = off;"
    "SET jit = off;"
    "SET idle_in_transaction_session_timeout = '10s';"
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', false)"
    " WHERE NOT EXISTS"
    " (SELECT FROM pg_extension WHERE extname = 'citus');"
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'";

static const struct statement_text texts[STATEMENT_COUNT] = {
	[STATEMENT_BEGIN] = { "begin",
		"BEGIN ISOLATION LEVEL READ COMMITTED", "" },
	[STATEMENT_COMMIT] = { "commit", "COMMIT", "" },
	[STATEMENT_ROLLBACK] = { "rollback", "ROLLBACK", "" },
	/*
	 * A statement_timeout that strikes while COMMIT waits for the standby
	 * makes it report success with a mere warning.
	 */
	[STATEMENT_WAIT] = { "wait", "SET LOCAL statement_timeout = 0", "" },
	/*
	 * A transaction that only repeats a stored result writes nothing, so
	 * its COMMIT would not wait for the standby; yet what it read may be
	 * missing there (the primary crashed before the standby had it).
	 */
	[STATEMENT_CONFIRM] = { "confirm",
		"SELECT pg_logical_emit_message(true, 'peyk', '')", "" },

	[STATEMENT_FIND_KEYS] = { "find_keys",
		"SELECT signing_key, account_id, state FROM signing_keys"
		" WHERE signing_key = ANY($1::bytea[])", "B" },
	[STATEMENT_FIND_NAMES] = { "find_names",
		"SELECT username, identity FROM usernames"
		" WHERE username = ANY($1::text[])", "T" },
	[STATEMENT_READ_ACCOUNTS] = { "read_accounts",
		"SELECT id, status, signing_key, encryption_key, username,"
		" last_seq, last_request_hash, last_code, last_message,"
		" last_result, last_message_id"
		" FROM accounts WHERE id = ANY($1::bigint[])", "Q" },
	[STATEMENT_CLAIM] = { "claim",
		"UPDATE accounts a SET last_seq = u.seq,"
		" last_request_hash = u.hash, last_code = u.code,"
		" last_message = u.message, last_result = u.result,"
		" last_message_id = coalesce(u.message_id, a.last_message_id)"
		" FROM unnest($1::bigint[], $2::bytea[], $3::bigint[],"
		" $4::bytea[], $5::integer[], $6::text[], $7::bytea[],"
		" $8::uuid[]) AS u(id, signing_key, seq, hash, code, message,"
		" result, message_id)"
		" WHERE a.id = ANY($1) AND a.id = u.id"
		" AND a.signing_key = u.signing_key AND a.status = 1"
		" AND a.last_seq = u.seq - 1"
		" RETURNING a.id", "QBQBITBU" },

	[STATEMENT_INSERT_NAMES] = { "insert_names",
		"INSERT INTO usernames(username, account_id, identity)"
		" SELECT u.username, u.account_id, u.identity"
		" FROM unnest($1::text[], $2::bigint[], $3::bytea[])"
		" AS u(username, account_id, identity)"
		" ON CONFLICT (username) DO NOTHING RETURNING account_id",
		"TQB" },
	[STATEMENT_INSERT_KEYS] = { "insert_keys",
		"INSERT INTO signing_keys(signing_key, account_id, state)"
		" SELECT u.signing_key, u.account_id, 1"
		" FROM unnest($1::bytea[], $2::bigint[])"
		" AS u(signing_key, account_id)"
		" ON CONFLICT (signing_key) DO NOTHING RETURNING account_id",
		"BQ" },
	[STATEMENT_INSERT_ACCOUNTS] = { "insert_accounts",
		"INSERT INTO accounts(id, username, status, signing_key,"
		" encryption_key, password_hash, first_seq, last_seq,"
		" last_request_hash, last_code, last_message, last_result)"
		" SELECT u.id, u.username, u.status, u.signing_key,"
		" u.encryption_key, u.password_hash, u.seq, u.seq, u.hash,"
		" u.code, u.message, ''"
		" FROM unnest($1::bigint[], $2::text[], $3::integer[],"
		" $4::bytea[], $5::bytea[], $6::text[], $7::bigint[],"
		" $8::bytea[], $9::integer[], $10::text[])"
		" AS u(id, username, status, signing_key, encryption_key,"
		" password_hash, seq, hash, code, message)", "QTIBBTQBIT" },
	[STATEMENT_DELETE_NAMES] = { "delete_names",
		"DELETE FROM usernames n USING"
		" unnest($1::text[], $2::bigint[]) AS u(username, account_id)"
		" WHERE n.username = ANY($1) AND n.username = u.username"
		" AND n.account_id = u.account_id", "TQ" },
	[STATEMENT_SPEND_KEYS] = { "spend_keys",
		"UPDATE signing_keys SET state = 3"
		" WHERE signing_key = ANY($1::bytea[])", "B" },

	[STATEMENT_DELIVER] = { "deliver",
		"INSERT INTO messages(recipient_id, id, sender_id, body)"
		" SELECT u.recipient_id, u.id, u.sender_id, u.body"
		" FROM unnest($1::bigint[], $2::uuid[], $3::bigint[],"
		" $4::bytea[]) AS u(recipient_id, id, sender_id, body)",
		"QUQB" },
	/*
	 * By id, never “all up to”: a lower id can be committed later. One for
	 * each poll: joined to unnest(), the condition that Citus needs
	 * (recipient_id = ANY) is tested once more for every row.
	 */
	[STATEMENT_ACKNOWLEDGE] = { "acknowledge",
		"DELETE FROM messages WHERE recipient_id = $1::bigint"
		" AND id = ANY($2::uuid[])", "qU" },
	/*
	 * One row more than wanted is looked at, to know whether there is more.
	 * octet_length() reads a size without fetching the value.
	 */
	[STATEMENT_FETCH] = { "fetch",
		"SELECT id, body, created_at, total, kind, group_id, epoch,"
		" shared_size FROM ("
		"SELECT *, row_number() OVER w AS n,"
		" sum(octet_length(body) + coalesce(shared_size, 0))"
		" OVER w AS size,"
		" count(*) OVER () AS total FROM ("
		"SELECT id, body, created_at, kind, group_id, epoch,"
		" shared_size FROM messages"
		" WHERE recipient_id = $1::bigint ORDER BY id"
		" LIMIT $2::bigint + 1) AS oldest"
		" WINDOW w AS (ORDER BY id ROWS UNBOUNDED PRECEDING)"
		") AS summed"
		" WHERE n = 1 OR (n <= $2 AND size <= $3::bigint)"
		" ORDER BY id", "qqq" },

	[STATEMENT_READ_GROUPS] = { "read_groups",
		"SELECT id, version, epoch, admin_id, name, next_share_hash,"
		" coalesce(roster_hash, '') FROM groups"
		" WHERE id = ANY($1::bigint[])", "Q" },
	/* One statement, so that epoch and members are of one moment. */
	[STATEMENT_READ_MEMBERS] = { "read_members",
		"SELECT m.group_id, m.member_id, g.version, g.epoch,"
		" g.admin_id, m.leave IS NOT NULL"
		" FROM groups g JOIN group_members m ON m.group_id = g.id"
		" WHERE g.id = ANY($1::bigint[]) AND m.group_id = ANY($1)",
		"Q" },
	/* Locks them, too: nobody else changes their members until COMMIT. */
	[STATEMENT_TOUCH_GROUPS] = { "touch_groups",
		"UPDATE groups g SET version = g.version + 1"
		" FROM unnest($1::bigint[], $2::bigint[]) AS u(id, version)"
		" WHERE g.id = ANY($1) AND g.id = u.id"
		" AND g.version = u.version"
		" RETURNING g.id", "QQ" },
	[STATEMENT_INSERT_GROUP] = { "insert_group",
		"INSERT INTO groups(id, version, epoch, name, admin_id,"
		" next_share, next_share_hash, member_keys)"
		" VALUES ($1::bigint, 1, 0, $2::text, $3::bigint,"
		" $4::bytea, $5::bytea, $6::bytea)", "qtqbbb" },
	[STATEMENT_UPDATE_GROUP] = { "update_group",
		"UPDATE groups SET epoch = $2::integer, name = $3::text,"
		" admin_id = $4::bigint, next_share = $5::bytea,"
		" next_share_hash = $6::bytea, roster = $7::bytea,"
		" roster_hash = $8::bytea, member_keys = NULL"
		" WHERE id = $1::bigint", "qitqbbbb" },
	[STATEMENT_DELETE_GROUP] = { "delete_group",
		"DELETE FROM groups WHERE id = $1::bigint", "q" },
	/* Who has left may come back. */
	[STATEMENT_ADD_MEMBERS] = { "add_members",
		"INSERT INTO group_members(group_id, member_id)"
		" SELECT $1::bigint, u.member_id"
		" FROM unnest($2::bigint[]) AS u(member_id)"
		" ON CONFLICT (group_id, member_id) DO UPDATE SET leave = NULL",
		"qQ" },
	[STATEMENT_REMOVE_MEMBERS] = { "remove_members",
		"DELETE FROM group_members WHERE group_id = $1::bigint"
		" AND member_id = ANY($2::bigint[])", "qQ" },
	[STATEMENT_SET_LEAVE] = { "set_leave",
		"UPDATE group_members SET leave = $3::bytea"
		" WHERE group_id = $1::bigint AND member_id = $2::bigint",
		"qqb" },
	[STATEMENT_INDEX_MEMBERS] = { "index_members",
		"INSERT INTO member_groups(member_id, group_id)"
		" SELECT u.member_id, $1::bigint"
		" FROM unnest($2::bigint[]) AS u(member_id)"
		" ON CONFLICT (member_id, group_id) DO NOTHING", "qQ" },
	[STATEMENT_UNINDEX_MEMBERS] = { "unindex_members",
		"DELETE FROM member_groups WHERE member_id = ANY($2::bigint[])"
		" AND group_id = $1::bigint", "qQ" },
	[STATEMENT_STORE_BODIES] = { "store_bodies",
		"INSERT INTO group_bodies(group_id, id, body)"
		" SELECT u.group_id, u.id, u.body"
		" FROM unnest($1::bigint[], $2::uuid[], $3::bytea[])"
		" AS u(group_id, id, body)", "QUB" },
	/* What all recipients of a message share crosses the wire once. */
	[STATEMENT_DELIVER_SHARED] = { "deliver_shared",
		"INSERT INTO messages(recipient_id, id, sender_id, body, kind,"
		" group_id, epoch, shared_size)"
		" SELECT r.recipient_id, m.id, m.sender_id, r.body, m.kind,"
		" m.group_id, m.epoch, m.shared_size"
		" FROM unnest($1::bigint[], $2::integer[], $3::bytea[])"
		" AS r(recipient_id, k, body)"
		" JOIN unnest($4::uuid[], $5::bigint[], $6::integer[],"
		" $7::bigint[], $8::integer[], $9::integer[]) WITH ORDINALITY"
		" AS m(id, sender_id, kind, group_id, epoch, shared_size, k)"
		" ON m.k = r.k", "QIBUQIQII" },
	/* One statement again; the roster once, not with every leave. */
	[STATEMENT_READ_GROUP] = { "read_group",
		"SELECT 0, epoch, admin_id, name, coalesce(roster, ''),"
		" next_share, coalesce(member_keys, '')"
		" FROM groups WHERE id = $1::bigint"
		" UNION ALL SELECT 1, 0, 0, '', '', '', '' FROM group_members"
		" WHERE group_id = $1 AND member_id = $2::bigint"
		" AND leave IS NULL"
		" UNION ALL SELECT 2, 0, 0, '', leave, '', ''"
		" FROM group_members"
		" WHERE group_id = $1 AND leave IS NOT NULL", "qq" },
	[STATEMENT_LIST_GROUPS] = { "list_groups",
		"SELECT group_id FROM member_groups"
		" WHERE member_id = $1::bigint AND group_id > $2::bigint"
		" ORDER BY group_id LIMIT $3::bigint", "qqq" },
	[STATEMENT_READ_BODIES] = { "read_bodies",
		"SELECT id, body FROM group_bodies"
		" WHERE group_id = $1::bigint AND id = ANY($2::uuid[])",
		"qU" },

	[STATEMENT_SWEEP_LOOK] = { "sweep_look",
		"SELECT group_id, id FROM group_bodies"
		" WHERE (group_id, id) > ($1::bigint, $2::uuid)"
		" AND created_at <= now() - $4::bigint * interval '1 ms'"
		" ORDER BY group_id, id LIMIT $3::bigint", "quqq" },
	/* For one id: for many, every pointer to each would be read. */
	[STATEMENT_SWEEP_PROBE] = { "sweep_probe",
		"SELECT id FROM messages WHERE id = $1::uuid"
		" AND shared_size IS NOT NULL LIMIT 1", "u" },
	[STATEMENT_SWEEP_DELETE] = { "sweep_delete",
		"DELETE FROM group_bodies WHERE group_id = $1::bigint"
		" AND id = ANY($2::uuid[])", "qU" },
};

const struct statement_text *
statement_text(enum statement statement)
{
	return &texts[statement];
}
