#include "tests/unit/client/folder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/state.h"
#include "client/state_acks.h"
#include "client/state_contacts.h"
#include "client/state_messages.h"
#include "client/state_seals.h"
#include "client/state_sql.h"
#include "wire/limits.h"

static const struct database_key key = {.bytes = {1, 2, 3}};
static const struct signing_public_key own = {.bytes = {4, 5, 6}};
static const struct signing_public_key peer = {.bytes = {7, 8, 9}};
static const struct state_options patient = {.wait_ms = 10000};
static const struct state_options hasty = {.wait_ms = 150};
static char path[256];

static void
use(const char *name)
{
	(void)snprintf(path, sizeof(path), "%s", folder_path(name));
}

static struct state *
create(const char *name)
{
	struct state *state = NULL;

	use(name);
	assert_ok(state_create(path, &key, &own, &patient, &state));
	return state;
}

static struct state *
open_again(const struct state_options *options)
{
	struct state *state = NULL;

	assert_ok(state_open(path, &key, &own, options, &state));
	return state;
}

/* ---- Opening ---- */

static void
test_state_keeps_what_was_committed(void **unused)
{
	struct state *state = create("kept.db");
	struct state_account account;
	struct stat info;

	(void)unused;
	assert_ok(state_begin(state));
	assert_ok(state_account_set_sequence(state, 41));
	assert_ok(state_account_set_status(
	    state, STATE_ACCOUNT_STATUS_REFUSED, 6, "taken"));
	assert_ok(state_commit(state));
	assert_ok(state_begin(state));
	assert_ok(state_account_set_sequence(state, 42));
	state_close(state); /* rolls back */
	state = open_again(&patient);
	assert_ok(state_account_read(state, &account));
	assert_int_equal(account.last_sequence, 41);
	assert_int_equal(account.status, STATE_ACCOUNT_STATUS_REFUSED);
	assert_int_equal(account.refusal_code, 6);
	assert_string_equal(account.refusal, "taken");
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	state_close(state);
	assert_status(
	    state_create(path, &key, &own, &patient, &state), STATUS_EXISTS);
}

static void
test_state_refuses_wrong_keys_and_damage(void **unused)
{
	struct database_key other = {.bytes = {1, 2, 4}};
	struct state *state = create("damaged.db");
	struct buf content;

	(void)unused;
	state_close(state);
	state = NULL;
	assert_status(
	    state_open(path, &other, &own, &patient, &state), STATUS_FORGED);
	assert_status(
	    state_open(path, &key, &peer, &patient, &state), STATUS_FORGED);
	assert_status(
	    state_open(folder_path("none.db"), &key, &own, &patient, &state),
	    STATUS_NOT_FOUND);
	folder_read(path, &content);
	/* The last twelve bytes of a page fill it up and mean nothing. */
	for (size_t at = 0; at < 4096 - 12; at += 61) {
		content.data[at] ^= 16;
		folder_write(path, buf_bytes(&content));
		assert_status(state_open(path, &key, &own, &patient, &state),
		    STATUS_FORGED);
		content.data[at] ^= 16;
	}
	folder_write(path, BYTES_LITERAL("SQLite format 3"));
	assert_status(
	    state_open(path, &key, &own, &patient, &state), STATUS_FORGED);
	buf_clear(&content);
}

static void
test_state_holds_nothing_in_clear(void **unused)
{
	struct state *state = create("secret.db");
	const uint8_t id[MESSAGE_ID_SIZE] = {1};
	const struct state_incoming message = {
	    .id = id,
	    .peer = "client#2",
	    .peer_canonical = "client#2",
	    .peer_key = &peer,
	    .text = BYTES_LITERAL("salam mashti"),
	};
	struct buf content;

	(void)unused;
	assert_ok(state_begin(state));
	assert_ok(state_incoming_add(state, &message));
	assert_ok(state_commit(state));
	state_close(state);
	folder_read(path, &content);
	assert_null(memmem(content.data, content.size, "salam", 5));
	assert_null(memmem(content.data, content.size, "client#2", 8));
	assert_null(memmem(content.data, content.size, "CREATE", 6));
	assert_null(memmem(content.data, content.size, "SQLite", 6));
	buf_clear(&content);
}

static void
test_state_refuses_a_newer_schema(void **unused)
{
	struct state *state = create("newer.db");

	(void)unused;
	assert_int_equal(sqlite3_exec(state->db, "PRAGMA user_version = 99",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	state_close(state);
	state = NULL;
	assert_status(
	    state_open(path, &key, &own, &patient, &state), STATUS_STALE);
}

/* ---- Several users ---- */

static void
test_state_waits_for_another_writer_and_then_says_so(void **unused)
{
	struct state *first = create("busy.db");
	struct state *second = open_again(&hasty);
	struct client_error error;
	uint64_t start_ms;

	(void)unused;
	assert_ok(state_begin(first));
	start_ms = clock_monotonic_ms();
	assert_status(state_begin(second), STATUS_BUSY);
	assert_true(clock_monotonic_ms() - start_ms >= hasty.wait_ms);
	assert_status(state_error(&error, STATUS_BUSY), STATUS_BUSY);
	assert_non_null(strstr(error.text, "Another peyk"));
	assert_ok(state_commit(first));
	assert_ok(state_begin(second));
	state_rollback(second);
	state_close(second);
	state_close(first);
}

static void
test_state_gives_up_when_interrupted(void **unused)
{
	const volatile sig_atomic_t flag = 1;
	struct state *first = create("interrupted.db");
	struct state *second = open_again(&patient);

	(void)unused;
	assert_ok(state_begin(first));
	state_set_interrupt(second, &flag);
	assert_status(state_begin(second), STATUS_CANCELLED);
	state_rollback(first);
	state_close(second);
	state_close(first);
}

/* What another program may do to the file: it is not ours to hang on. */
static void
test_state_waits_for_a_locked_file(void **unused)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct state *state = NULL;
	int go[2], status;
	pid_t child;
	char byte;

	(void)unused;
	state_close(create("locked.db"));
	assert_int_equal(pipe(go), 0);
	if ((child = fork()) == 0) {
		int fd = open(path, O_RDWR);

		if (fd < 0 || fcntl(fd, F_SETLK, &lock) != 0 ||
		    write(go[1], "x", 1) != 1)
			_exit(1);
		(void)pause();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(read(go[0], &byte, 1), 1);
	assert_status(
	    state_open(path, &key, &own, &hasty, &state), STATUS_BUSY);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	state_close(open_again(&hasty));
	(void)close(go[0]);
	(void)close(go[1]);
}

/* ---- The outbox ---- */

static void
add_entry(struct state *state, uint64_t sequence)
{
	assert_ok(state_begin(state));
	assert_ok(state_outbox_add(
	    state, sequence, "/x.Y/Z", BYTES_LITERAL("request")));
	assert_ok(state_commit(state));
}

static void
park(struct state *state, uint64_t sequence)
{
	assert_ok(state_begin(state));
	assert_ok(state_outbox_park(state, sequence));
	assert_ok(state_commit(state));
}

static void
settle(struct state *state, uint64_t sequence)
{
	assert_ok(state_begin(state));
	assert_ok(state_outbox_settle(state, sequence));
	assert_ok(state_commit(state));
}

static void
test_state_outbox_keeps_requests_until_settled(void **unused)
{
	struct state *state = create("outbox.db");
	struct outbox_entry entry = {0};
	uint64_t sequence, parked;
	bool has_range;

	(void)unused;
	assert_status(state_outbox_first(state, &sequence), STATUS_NOT_FOUND);
	for (uint64_t i = 10; i < 14; i++)
		add_entry(state, i);
	park(state, 10);
	park(state, 11);
	assert_ok(state_outbox_first(state, &sequence));
	assert_int_equal(sequence, 12);
	assert_ok(state_outbox_count_parked(state, &parked));
	assert_int_equal(parked, 2);
	assert_ok(state_outbox_has_range(state, 10, 14, &has_range));
	assert_true(has_range);
	assert_ok(state_outbox_has_range(state, 9, 14, &has_range));
	assert_false(has_range);
	assert_ok(state_outbox_read(state, 11, &entry));
	assert_true(entry.is_parked);
	assert_string_equal(entry.method, "/x.Y/Z");
	assert_bytes(buf_bytes(&entry.request), BYTES_LITERAL("request"));
	outbox_entry_clear(&entry);

	/* With 12 what was parked before it; 13 stays. */
	settle(state, 12);
	assert_status(state_outbox_read(state, 10, &entry), STATUS_NOT_FOUND);
	assert_status(state_outbox_read(state, 12, &entry), STATUS_NOT_FOUND);
	assert_ok(state_outbox_first(state, &sequence));
	assert_int_equal(sequence, 13);

	/* A late reply to a parked one touches nothing after it. */
	add_entry(state, 14);
	park(state, 13);
	settle(state, 13);
	assert_ok(state_outbox_first(state, &sequence));
	assert_int_equal(sequence, 14);
	state_close(state);
}

/* ---- Seals ---- */

static void
add_seal(struct state *state, uint64_t sequence, uint8_t mark)
{
	struct state_seal seal = {.sequence = sequence};

	memset(seal.sealing_key.bytes, mark, sizeof(seal.sealing_key.bytes));
	memset(seal.reply_secret, mark + 1, sizeof(seal.reply_secret));
	assert_ok(state_begin(state));
	assert_ok(state_seal_add(state, &seal));
	assert_ok(state_commit(state));
}

/* How many there are of the entries that add_entry() makes. */
static size_t
count_seals(struct state *state)
{
	struct state_seal *seals = NULL;
	size_t count = 99;

	assert_ok(state_seals_list(state, "/x.Y/Z", &seals, &count));
	state_seals_free(seals, count);
	return count;
}

static void
test_state_seals_go_with_their_request(void **unused)
{
	struct state *state = create("seals.db");
	struct state_seal *seals = NULL;
	size_t count = 0;
	bool has_seals = true;

	(void)unused;
	assert_int_equal(count_seals(state), 0);
	add_entry(state, 10);
	park(state, 10);
	add_entry(state, 11);
	add_entry(state, 12);
	assert_ok(state_seals_has(state, 11, &has_seals));
	assert_false(has_seals);
	add_seal(state, 10, 1);
	add_seal(state, 11, 2);
	add_seal(state, 12, 3);
	add_seal(state, 11, 4);
	assert_ok(state_seals_has(state, 11, &has_seals));
	assert_true(has_seals);
	assert_ok(state_seals_list(state, "/x.Y/Other", &seals, &count));
	assert_int_equal(count, 0);
	state_seals_free(seals, count);

	/* The newest first, whole. */
	assert_ok(state_seals_list(state, "/x.Y/Z", &seals, &count));
	assert_int_equal(count, 4);
	assert_int_equal(seals[0].sequence, 11);
	assert_int_equal(seals[0].sealing_key.bytes[31], 4);
	assert_int_equal(seals[0].reply_secret[31], 5);
	assert_int_equal(seals[3].sequence, 10);
	state_seals_free(seals, count);

	/* With 11 the parked 10. */
	settle(state, 11);
	assert_int_equal(count_seals(state), 1);
	settle(state, 12);
	assert_int_equal(count_seals(state), 0);
	state_close(state);
}

static void
test_state_seals_are_bounded(void **unused)
{
	struct state *state = create("many_seals.db");
	struct state_seal *seals = NULL;
	size_t count = 0;

	(void)unused;
	add_entry(state, 10);
	add_entry(state, 11);
	add_seal(state, 10, 100);
	for (unsigned i = 0; i < STATE_SEALS_MAX + 5; i++)
		add_seal(state, 11, (uint8_t)i);
	assert_ok(state_seals_list(state, "/x.Y/Z", &seals, &count));
	assert_int_equal(count, STATE_SEALS_MAX + 1);
	assert_int_equal(seals[0].reply_secret[0], STATE_SEALS_MAX + 5);
	assert_int_equal(seals[STATE_SEALS_MAX].sequence, 10);
	state_seals_free(seals, count);
	state_close(state);
}

/* A database that the second schema's program wrote; not opened yet. */
static void
copy_second_schema(const char *name)
{
	struct buf content;

	folder_read(PEYK_VECTORS "/state_2.db", &content);
	use(name);
	folder_write(path, buf_bytes(&content));
	buf_clear(&content);
}

/* Runs a script on a file as it is, without bringing it up to date. */
static void
run_raw(const char *script)
{
	static const char raw_key[] = "x'0102030000000000000000000000000000000"
				      "000000000000000000000000000'";
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_key(db, raw_key, sizeof(raw_key) - 1), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "PRAGMA cipher_page_size = 4096", NULL, NULL,
		NULL),
	    SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, script, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A database of the first schema gets what it has not, and keeps the rest. */
static void
test_state_brings_an_old_schema_up_to_date(void **unused)
{
	struct state *state;
	uint64_t sequence;

	(void)unused;
	copy_second_schema("old.db");
	run_raw("DROP TABLE seals; PRAGMA user_version = 1");
	state = open_again(&patient);
	assert_ok(state_outbox_first(state, &sequence));
	assert_int_equal(sequence, 41);
	add_seal(state, 41, 1);
	assert_int_equal(count_seals(state), 1);
	state_close(state);
}

/*
 * What a database of the second schema held is there in the third, and the
 * index that keeps messages single is as strict as before.
 */
static void
test_state_keeps_the_messages_of_an_old_schema(void **unused)
{
	const struct state_message_query all = {.limit = 10};
	const struct state_message_query of_peer = {
	    .limit = 10,
	    .conversation = "client#2",
	};
	struct state_pending *pending = NULL;
	struct message_list list = {0};
	struct state_account account;
	struct e2ee_chain chain;
	struct state *state;
	uint64_t count = 0;
	size_t pending_count = 0;
	bool is_known = false;

	(void)unused;
	copy_second_schema("second.db");
	state = open_again(&patient);
	assert_ok(state_account_read(state, &account));
	assert_int_equal(account.last_sequence, 41);
	assert_ok(state_message_list(state, &all, &list));
	assert_int_equal(list.count, 7);
	assert_int_equal(list.items[0].outcome, MESSAGE_OUTCOME_STORED);
	assert_int_equal(
	    list.items[1].outcome, MESSAGE_OUTCOME_STALE_RECIPIENT);
	assert_int_equal(list.items[4].order, MESSAGE_ORDER_MISSING);
	for (size_t i = 0; i < list.count; i++) {
		assert_int_equal(list.items[i].group_id, 0);
		assert_int_equal(list.items[i].kind, MESSAGE_KIND_TEXT);
		assert_string_equal(list.items[i].group_name, "");
	}
	message_list_clear(&list);
	assert_ok(state_message_list(state, &of_peer, &list));
	assert_int_equal(list.count, 6);
	message_list_clear(&list);
	assert_ok(state_incoming_count_waiting(state, "client#2", &count));
	assert_int_equal(count, 1);
	assert_ok(state_incoming_is_known(state, &peer,
	    (const uint8_t[MESSAGE_ID_SIZE]){11}, MESSAGE_KIND_TEXT,
	    &is_known));
	assert_true(is_known);
	assert_ok(state_pending_list(state, 41, &pending, &pending_count));
	assert_int_equal(pending_count, 1);
	assert_int_equal(pending[0].before.counter, 2);
	free(pending);
	assert_ok(state_receive_chain_read(state, &peer, &chain));
	assert_int_equal(chain.counter, 3);
	state_close(state);
	state_close(open_again(&patient));
}

/* ---- Messages ---- */

static void
add_outgoing(
    struct state *state, uint8_t id, size_t position, enum status expected)
{
	const uint8_t whole[MESSAGE_ID_SIZE] = {id};
	const struct state_outgoing message = {
	    .id = whole,
	    .peer = "Client#2",
	    .peer_canonical = "client#2",
	    .peer_key = &peer,
	    .text = BYTES_LITERAL("salam"),
	    .sent_at_ms = 5,
	    .sequence = 20,
	    .position = position,
	    .before = {.counter = position},
	};

	assert_ok(state_begin(state));
	assert_status(state_outgoing_add(state, &message), expected);
	if (expected == STATUS_OK)
		assert_ok(state_commit(state));
	state_rollback(state);
}

static void
test_state_outgoing_messages_are_decided_once(void **unused)
{
	struct state *state = create("outgoing.db");
	const uint8_t first[MESSAGE_ID_SIZE] = {1};
	struct state_pending *pending = NULL;
	struct message message = {0};
	size_t count = 0;

	(void)unused;
	add_outgoing(state, 1, 0, STATUS_OK);
	add_outgoing(state, 2, 1, STATUS_OK);
	add_outgoing(state, 1, 2, STATUS_EXISTS);
	assert_ok(state_pending_list(state, 20, &pending, &count));
	assert_int_equal(count, 2);
	assert_int_equal(pending[1].before.counter, 1);
	assert_memory_equal(&pending[0].peer_key, &peer, sizeof(peer));
	assert_ok(state_begin(state));
	assert_ok(state_outgoing_settle(
	    state, pending[0].number, MESSAGE_OUTCOME_STALE_RECIPIENT, 0));
	assert_ok(state_outgoing_settle(
	    state, pending[1].number, MESSAGE_OUTCOME_STORED, 77));
	assert_ok(state_commit(state));
	free(pending);
	assert_ok(state_pending_list(state, 20, &pending, &count));
	assert_int_equal(count, 0);
	free(pending);

	/* A refused one may be tried again, a stored one not. */
	add_outgoing(state, 2, 0, STATUS_EXISTS);
	add_outgoing(state, 1, 0, STATUS_OK);
	assert_ok(state_outgoing_read(state, first, &message));
	assert_int_equal(message.outcome, MESSAGE_OUTCOME_PENDING);
	assert_string_equal(message.text, "salam");
	assert_string_equal(message.peer, "Client#2");
	message_clear(&message);
	state_close(state);
}

static void
add_incoming(struct state *state, const char *name, uint8_t id)
{
	const uint8_t whole[MESSAGE_ID_SIZE] = {id};
	const struct state_incoming message = {
	    .id = whole,
	    .peer = name,
	    .peer_canonical = name,
	    .peer_key = &peer,
	    .text = BYTES_LITERAL("aleyk"),
	};

	assert_ok(state_begin(state));
	assert_ok(state_incoming_add(state, &message));
	assert_ok(state_commit(state));
}

static size_t
take(struct state *state, const char *name, size_t limit)
{
	struct message_list list = {0};
	size_t count;

	assert_ok(state_begin(state));
	assert_ok(state_incoming_take(state, name, limit, &list));
	assert_ok(state_commit(state));
	count = list.count;
	message_list_clear(&list);
	return count;
}

static void
test_state_messages_are_taken_once(void **unused)
{
	struct state *state = create("taken.db");
	struct state *other = open_again(&patient);
	struct message_list list = {0};
	uint64_t waiting;
	bool is_known;

	(void)unused;
	add_incoming(state, "a", 1);
	add_incoming(state, "b", 2);
	add_incoming(state, "a", 3);
	assert_ok(state_incoming_is_known(
	    state, &peer, (const uint8_t[MESSAGE_ID_SIZE]){2},
	    MESSAGE_KIND_TEXT, &is_known));
	assert_true(is_known);
	assert_ok(state_incoming_is_known(
	    state, &own, (const uint8_t[MESSAGE_ID_SIZE]){2},
	    MESSAGE_KIND_TEXT, &is_known));
	assert_false(is_known);
	assert_ok(state_incoming_count_waiting(state, "a", &waiting));
	assert_int_equal(waiting, 1);

	assert_ok(state_begin(state));
	assert_ok(state_incoming_take(state, "a", 10, &list));
	assert_ok(state_commit(state));
	assert_int_equal(list.count, 2);
	assert_true(list.items[0].number < list.items[1].number);
	assert_int_equal(take(other, NULL, 10), 1);
	assert_int_equal(take(other, NULL, 10), 0);

	/* Given back, it is taken again; shown, never. */
	assert_ok(state_begin(state));
	assert_ok(state_incoming_set_shown(state, list.items[0].number, true));
	assert_ok(state_incoming_set_shown(state, list.items[1].number, false));
	assert_ok(state_commit(state));
	assert_int_equal(take(other, "a", 10), 1);
	assert_int_equal(take(other, "a", 10), 0);
	message_list_clear(&list);
	state_close(other);
	state_close(state);
}

static void
test_state_messages_come_back_from_the_dead(void **unused)
{
	struct state *state;
	int status;
	pid_t child;

	(void)unused;
	state = create("dead.db");
	add_incoming(state, "a", 1);
	state_close(state);
	if ((child = fork()) == 0) {
		state = open_again(&patient);
		_exit(take(state, NULL, 10) == 1 ? 0 : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	state = open_again(&patient);
	assert_int_equal(take(state, NULL, 10), 1);
	assert_int_equal(take(state, NULL, 10), 0);
	state_close(state);
}

static void
test_state_authors_are_judged_by_the_pin(void **unused)
{
	struct state *state = create("authors.db");
	const struct state_message_query all = {.limit = 10};
	struct message_list list = {0};
	struct state_names names = {0};

	(void)unused;
	add_incoming(state, "a", 1);
	add_incoming(state, "b", 2);
	add_incoming(state, "c", 3);
	assert_ok(state_incoming_unchecked(state, 10, &names));
	assert_int_equal(names.count, 3);
	state_names_clear(&names);
	assert_ok(state_begin(state));
	assert_ok(state_incoming_judge(state, "a", &peer));
	assert_ok(state_incoming_judge(state, "b", &own));
	assert_ok(state_incoming_judge(state, "c", NULL));
	assert_ok(state_commit(state));
	assert_ok(state_incoming_unchecked(state, 10, &names));
	assert_int_equal(names.count, 0);
	state_names_clear(&names);
	assert_ok(state_message_list(state, &all, &list));
	assert_int_equal(list.items[0].author, MESSAGE_AUTHOR_PINNED);
	assert_int_equal(list.items[1].author, MESSAGE_AUTHOR_CONFLICTING);
	assert_int_equal(list.items[2].author, MESSAGE_AUTHOR_UNVERIFIED);
	message_list_clear(&list);
	state_close(state);
}

static void
assert_numbers(struct state *state, const struct state_message_query *query,
    int64_t first, size_t count)
{
	struct message_list list = {0};

	assert_ok(state_message_list(state, query, &list));
	assert_int_equal(list.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(list.items[i].number, first + (int64_t)i);
	message_list_clear(&list);
}

static void
test_state_history_comes_in_pages(void **unused)
{
	struct state *state = create("pages.db");

	(void)unused;
	for (uint8_t i = 0; i < 20; i++)
		add_incoming(state, "a", i);
	assert_numbers(state, &(struct state_message_query){.limit = 5}, 1, 5);
	assert_numbers(
	    state, &(struct state_message_query){.limit = 5, .after = 7}, 8, 5);
	assert_numbers(state,
	    &(struct state_message_query){.limit = 5, .is_from_end = true}, 16,
	    5);
	assert_numbers(state,
	    &(struct state_message_query){
		.limit = 5, .before = 9, .is_from_end = true},
	    4, 5);
	assert_numbers(state,
	    &(struct state_message_query){.limit = 5, .conversation = "b"}, 0, 0);
	state_close(state);
}

/* ---- Acknowledgements, chains, set-aside ---- */

static void
ack(struct state *state, uint8_t id)
{
	const uint8_t whole[STATE_INBOX_ID_SIZE] = {id};

	assert_ok(state_begin(state));
	assert_ok(state_ack_add(state, whole));
	assert_ok(state_commit(state));
}

static size_t
assign(struct state *state, uint64_t sequence, size_t limit)
{
	struct buf ids;
	size_t count;

	buf_init(&ids, 4096);
	assert_ok(state_begin(state));
	assert_ok(state_ack_assign(state, sequence, limit, &ids));
	assert_ok(state_commit(state));
	count = ids.size / STATE_INBOX_ID_SIZE;
	buf_clear(&ids);
	return count;
}

static void
test_state_acks_stay_until_their_poll_was_done(void **unused)
{
	struct state *state = create("acks.db");
	uint64_t count;

	(void)unused;
	ack(state, 1);
	ack(state, 2);
	ack(state, 2);
	assert_int_equal(assign(state, 30, 10), 2);
	ack(state, 3);
	/* The poll's reply is lost: the next one carries them again. */
	assert_int_equal(assign(state, 31, 10), 3);
	assert_ok(state_begin(state));
	assert_ok(state_ack_settle(state, 30));
	assert_ok(state_commit(state));
	assert_ok(state_ack_count(state, &count));
	assert_int_equal(count, 3);
	/* Refused: they are nobody's again, whatever is settled later. */
	assert_ok(state_begin(state));
	assert_ok(state_ack_reopen(state, 31));
	assert_ok(state_ack_settle(state, 31));
	assert_ok(state_commit(state));
	assert_int_equal(assign(state, 32, 2), 2);
	assert_ok(state_begin(state));
	assert_ok(state_ack_settle(state, 32));
	assert_ok(state_commit(state));
	assert_ok(state_ack_count(state, &count));
	assert_int_equal(count, 1);
	state_close(state);
}

static void
test_state_chains_are_apart(void **unused)
{
	struct state *state = create("chains.db");
	struct e2ee_chain chain = {.counter = 9, .hash = {{1}}}, read;

	(void)unused;
	assert_ok(state_send_chain_read(state, &peer, &read));
	assert_int_equal(read.counter, 0);
	assert_ok(state_begin(state));
	assert_ok(state_send_chain_write(state, &peer, &chain));
	chain.counter = 10;
	assert_ok(state_send_chain_write(state, &peer, &chain));
	assert_ok(state_commit(state));
	assert_ok(state_send_chain_read(state, &peer, &read));
	assert_int_equal(read.counter, 10);
	assert_memory_equal(&read.hash, &chain.hash, sizeof(read.hash));
	assert_ok(state_receive_chain_read(state, &peer, &read));
	assert_int_equal(read.counter, 0);
	assert_ok(state_send_chain_read(state, &own, &read));
	assert_int_equal(read.counter, 0);
	state_close(state);
}

static void
set_aside(struct state *state, unsigned number)
{
	uint8_t id[STATE_INBOX_ID_SIZE] = {0};

	memcpy(id, &number, sizeof(number));
	assert_ok(state_set_aside(state, id, BYTES_LITERAL("?"), 0, "forged"));
}

static void
test_state_what_is_set_aside_is_bounded(void **unused)
{
	struct state *state = create("aside.db");
	uint64_t count;

	(void)unused;
	assert_ok(state_begin(state));
	set_aside(state, 1);
	set_aside(state, 1);
	assert_ok(state_commit(state));
	assert_ok(state_set_aside_count_untold(state, NULL, &count));
	assert_int_equal(count, 1);
	assert_ok(state_begin(state));
	assert_ok(state_set_aside_mark_told(state));
	for (unsigned i = 2; i < STATE_SET_ASIDE_MAX + 50; i++)
		set_aside(state, i);
	assert_ok(state_commit(state));
	assert_ok(state_set_aside_count_untold(state, NULL, &count));
	assert_int_equal(count, STATE_SET_ASIDE_MAX);
	state_close(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_state_keeps_what_was_committed),
	    cmocka_unit_test(test_state_refuses_wrong_keys_and_damage),
	    cmocka_unit_test(test_state_holds_nothing_in_clear),
	    cmocka_unit_test(test_state_refuses_a_newer_schema),
	    cmocka_unit_test(
		test_state_waits_for_another_writer_and_then_says_so),
	    cmocka_unit_test(test_state_gives_up_when_interrupted),
	    cmocka_unit_test(test_state_waits_for_a_locked_file),
	    cmocka_unit_test(test_state_outbox_keeps_requests_until_settled),
	    cmocka_unit_test(test_state_seals_go_with_their_request),
	    cmocka_unit_test(test_state_seals_are_bounded),
	    cmocka_unit_test(test_state_brings_an_old_schema_up_to_date),
	    cmocka_unit_test(test_state_keeps_the_messages_of_an_old_schema),
	    cmocka_unit_test(test_state_outgoing_messages_are_decided_once),
	    cmocka_unit_test(test_state_messages_are_taken_once),
	    cmocka_unit_test(test_state_messages_come_back_from_the_dead),
	    cmocka_unit_test(test_state_authors_are_judged_by_the_pin),
	    cmocka_unit_test(test_state_history_comes_in_pages),
	    cmocka_unit_test(test_state_acks_stay_until_their_poll_was_done),
	    cmocka_unit_test(test_state_chains_are_apart),
	    cmocka_unit_test(test_state_what_is_set_aside_is_bounded),
	};

	return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
