#include "client/state_messages.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "client/state_sql.h"

/* messages.author of one that is still to be looked up. */
#define AUTHOR_UNCHECKED 3

/* messages.shown */
#define SHOWN_NEW 0
#define SHOWN_DONE 2

/* "PID:START:RANDOM" and NUL */
#define TAKER_SIZE 64

void
state_names_clear(struct state_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct state_names){0};
}

enum message_order
message_order_of(enum e2ee_chain_verdict verdict)
{
	switch (verdict) {
	case E2EE_CHAIN_EXPECTED:
		return MESSAGE_ORDER_EXPECTED;
	case E2EE_CHAIN_MISSING:
		return MESSAGE_ORDER_MISSING;
	case E2EE_CHAIN_FORKED:
		return MESSAGE_ORDER_FORKED;
	case E2EE_CHAIN_EARLIER:
		return MESSAGE_ORDER_EARLIER;
	case E2EE_CHAIN_ANEW:
		return MESSAGE_ORDER_ANEW;
	}
	return MESSAGE_ORDER_EXPECTED;
}

/* ---- Reading rows ---- */

/* The message of the current row (MESSAGE_COLUMNS). */
static enum status
read_message(const struct sql *sql, struct message *out)
{
	struct message message = {0};
	int64_t direction, outcome, author, order, kind, event;
	uint64_t epoch;
	enum status st = STATUS_FORGED;

	direction = sql_i64(sql, 1);
	outcome = sql_i64(sql, 9);
	author = sql_i64(sql, 10);
	order = sql_i64(sql, 13);
	epoch = sql_u64(sql, 15);
	kind = sql_i64(sql, 16);
	event = sql_i64(sql, 17);
	if (direction < 0 || direction > MESSAGE_DIRECTION_OUTGOING ||
	    outcome < 0 || outcome > MESSAGE_OUTCOME_REFUSED || author < 0 ||
	    author > AUTHOR_UNCHECKED || order < 0 ||
	    order > MESSAGE_ORDER_ANEW || epoch > UINT32_MAX || kind < 0 ||
	    kind > MESSAGE_KIND_GROUP_EVENT || event < 0 ||
	    event > GROUP_EVENT_KEY_CONFLICT)
		goto out;
	message.number = sql_i64(sql, 0);
	message.direction = (enum message_direction)direction;
	message.outcome = (enum message_outcome)outcome;
	message.author = author == AUTHOR_UNCHECKED
			     ? MESSAGE_AUTHOR_UNVERIFIED
			     : (enum message_author)author;
	message.sent_at_ms = sql_u64(sql, 7);
	message.stored_at_ms = sql_u64(sql, 8);
	message.order = (enum message_order)order;
	message.missing_before = sql_u64(sql, 11);
	message.is_shown = sql_i64(sql, 12) == SHOWN_DONE;
	message.group_id = sql_u64(sql, 14); /* null: 0 */
	message.epoch = (uint32_t)epoch;
	message.kind = (enum message_kind)kind;
	message.event = (enum group_event)event;
	if ((st = sql_copy(sql, 2, message.id, sizeof(message.id))) !=
		STATUS_OK ||
	    (st = sql_copy(sql, 5, message.peer_key.bytes,
		 sizeof(message.peer_key.bytes))) != STATUS_OK ||
	    (st = sql_copy_text(sql, 3, &message.peer, NULL)) != STATUS_OK ||
	    (st = sql_copy_text(sql, 4, &message.peer_canonical, NULL)) !=
		STATUS_OK ||
	    (st = sql_copy_text(sql, 6, &message.text, &message.text_size)) !=
		STATUS_OK ||
	    (st = sql_copy_text(sql, 18, &message.group_name, NULL)) !=
		STATUS_OK)
		goto out;
	*out = message;
	message = (struct message){0}; /* now the caller's */
out:
	message_clear(&message);
	return st;
}

enum status
state_messages_read(struct sql *sql, struct message_list *out)
{
	struct message_list list = {0};
	struct message *items;
	size_t capacity = 0;
	bool has_row = false;
	enum status st;

	while ((st = sql_step(sql, &has_row)) == STATUS_OK && has_row) {
		if (list.count == capacity) {
			capacity = capacity == 0 ? 16 : 2 * capacity;
			items =
			    reallocarray(list.items, capacity, sizeof(*items));
			if (items == NULL) {
				st = STATUS_NOMEM;
				break;
			}
			list.items = items;
		}
		if ((st = read_message(sql, &list.items[list.count])) !=
		    STATUS_OK)
			break;
		list.count++;
	}
	sql_end(sql);
	if (st == STATUS_OK) {
		*out = list;
		list = (struct message_list){0}; /* now the caller's */
	}
	message_list_clear(&list);
	return st;
}

enum status
state_message_list(struct state *state, const struct state_message_query *query,
    struct message_list *out)
{
	struct sql sql;

	sql_start(&sql, state,
	    query->is_from_end ? STATE_MESSAGE_LIST_LAST
			       : STATE_MESSAGE_LIST_FIRST);
	sql_bind_text(&sql, query->conversation);
	sql_bind_i64(&sql, query->after);
	sql_bind_i64(&sql, query->before > 0 ? query->before : INT64_MAX);
	sql_bind_u64(&sql, query->limit);
	return state_messages_read(&sql, out);
}

/* ---- Outgoing ---- */

enum status
state_outgoing_forget_refused(
    struct state *state, const uint8_t id[MESSAGE_ID_SIZE])
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_OUTGOING_DELETE_REFUSED);
	sql_bind_bytes(&sql, bytes_make(id, MESSAGE_ID_SIZE));
	return sql_run(&sql);
}

enum status
state_outgoing_add(struct state *state, const struct state_outgoing *message)
{
	struct sql sql;
	enum status st;

	assert(state->in_transaction);
	if ((st = state_outgoing_forget_refused(state, message->id)) !=
	    STATUS_OK)
		return st;
	sql_start(&sql, state, STATE_OUTGOING_ADD);
	sql_bind_bytes(&sql, bytes_make(message->id, MESSAGE_ID_SIZE));
	sql_bind_text(&sql, message->peer);
	sql_bind_text(&sql, message->peer_canonical);
	sql_bind_bytes(&sql, BYTES_OF(message->peer_key->bytes));
	sql_bind_text_bytes(&sql, message->text);
	sql_bind_u64(&sql, message->sent_at_ms);
	sql_bind_u64(&sql, message->sequence);
	sql_bind_u64(&sql, message->position);
	sql_bind_u64(&sql, message->before.counter);
	sql_bind_bytes(&sql, BYTES_OF(message->before.hash.bytes));
	st = sql_run(&sql);
	return (sql.code & 0xff) == SQLITE_CONSTRAINT ? STATUS_EXISTS : st;
}

enum status
state_outgoing_read(
    struct state *state, const uint8_t id[MESSAGE_ID_SIZE], struct message *out)
{
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_OUTGOING_READ);
	sql_bind_bytes(&sql, bytes_make(id, MESSAGE_ID_SIZE));
	if ((st = sql_step(&sql, &has_row)) == STATUS_OK)
		st = has_row ? read_message(&sql, out) : STATUS_NOT_FOUND;
	sql_end(&sql);
	return st;
}

static enum status
read_pending(const struct sql *sql, struct state_pending *out)
{
	enum status st;

	out->number = sql_i64(sql, 0);
	out->before.counter = sql_u64(sql, 2);
	if ((st = sql_copy(sql, 1, out->peer_key.bytes,
		 sizeof(out->peer_key.bytes))) != STATUS_OK)
		return st;
	return sql_copy(
	    sql, 3, out->before.hash.bytes, sizeof(out->before.hash.bytes));
}

enum status
state_pending_list(struct state *state, uint64_t sequence,
    struct state_pending **out, size_t *count)
{
	struct state_pending *pending = NULL, *longer;
	size_t used = 0;
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_PENDING_LIST);
	sql_bind_u64(&sql, sequence);
	while ((st = sql_step(&sql, &has_row)) == STATUS_OK && has_row) {
		longer = reallocarray(pending, used + 1, sizeof(*pending));
		if (longer == NULL) {
			st = STATUS_NOMEM;
			break;
		}
		pending = longer;
		if ((st = read_pending(&sql, &pending[used])) != STATUS_OK)
			break;
		used++;
	}
	sql_end(&sql);
	if (st == STATUS_OK) {
		*out = pending;
		*count = used;
		pending = NULL; /* now the caller's */
	}
	free(pending);
	return st;
}

enum status
state_outgoing_settle(struct state *state, int64_t number,
    enum message_outcome outcome, uint64_t stored_at_ms)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_OUTGOING_SETTLE);
	sql_bind_i64(&sql, number);
	sql_bind_u64(&sql, outcome);
	sql_bind_u64(&sql, stored_at_ms);
	return sql_run(&sql);
}

/* ---- Incoming ---- */

enum status
state_incoming_is_known(struct state *state,
    const struct signing_public_key *peer_key,
    const uint8_t id[MESSAGE_ID_SIZE], enum message_kind kind, bool *out)
{
	struct sql sql;
	uint64_t count;
	enum status st;

	sql_start(&sql, state, STATE_INCOMING_IS_KNOWN);
	sql_bind_bytes(&sql, BYTES_OF(peer_key->bytes));
	sql_bind_bytes(&sql, bytes_make(id, MESSAGE_ID_SIZE));
	sql_bind_u64(&sql, kind);
	if ((st = sql_number(&sql, &count)) == STATUS_OK)
		*out = count > 0;
	return st;
}

enum status
state_incoming_add(struct state *state, const struct state_incoming *message)
{
	uint64_t author = AUTHOR_UNCHECKED;
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_INCOMING_ADD);
	sql_bind_bytes(&sql, bytes_make(message->id, MESSAGE_ID_SIZE));
	sql_bind_text(&sql, message->peer);
	sql_bind_text(&sql, message->peer_canonical);
	sql_bind_bytes(&sql, BYTES_OF(message->peer_key->bytes));
	sql_bind_text_bytes(&sql, message->text);
	sql_bind_u64(&sql, message->sent_at_ms);
	sql_bind_u64(&sql, message->stored_at_ms);
	if (*message->peer == '\0') /* there is nobody to look up */
		author = MESSAGE_AUTHOR_UNVERIFIED;
	else if (message->is_author_pinned)
		author = MESSAGE_AUTHOR_PINNED;
	sql_bind_u64(&sql, author);
	sql_bind_u64(&sql, message->order);
	sql_bind_u64(&sql, message->missing_before);
	sql_bind_u64(&sql, message->is_shown ? SHOWN_DONE : SHOWN_NEW);
	if (message->group_id != 0)
		sql_bind_u64(&sql, message->group_id);
	else
		sql_bind_text(&sql, NULL);
	sql_bind_u64(&sql, message->epoch);
	sql_bind_u64(&sql, message->kind);
	sql_bind_u64(&sql, message->event);
	return sql_run(&sql);
}

enum status
state_incoming_unchecked(
    struct state *state, size_t limit, struct state_names *out)
{
	struct state_names names = {0};
	struct sql sql;
	bool has_row = false;
	enum status st;

	names.items = calloc(limit, sizeof(*names.items));
	if (names.items == NULL)
		return STATUS_NOMEM;
	sql_start(&sql, state, STATE_INCOMING_UNCHECKED);
	sql_bind_u64(&sql, limit);
	while ((st = sql_step(&sql, &has_row)) == STATUS_OK && has_row &&
	       names.count < limit) {
		if ((st = sql_copy_text(&sql, 0, &names.items[names.count],
			 NULL)) != STATUS_OK)
			break;
		names.count++;
	}
	sql_end(&sql);
	if (st == STATUS_OK) {
		*out = names;
		names = (struct state_names){0}; /* now the caller's */
	}
	state_names_clear(&names);
	return st;
}

enum status
state_incoming_judge(struct state *state, const char *canonical,
    const struct signing_public_key *pinned)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_INCOMING_JUDGE);
	sql_bind_text(&sql, canonical);
	if (pinned != NULL)
		sql_bind_bytes(&sql, BYTES_OF(pinned->bytes));
	else
		sql_bind_text(&sql, NULL);
	return sql_run(&sql);
}

/*
 * When a process started (clock ticks since boot): with its id it names a
 * process for good. 0 if there is none.
 */
static unsigned long long
process_start(long pid)
{
	unsigned long long start = 0;
	char path[64], line[1024];
	const char *at;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	/* Field 22; the second is in parentheses and may hold anything. */
	if (fgets(line, sizeof(line), file) != NULL &&
	    (at = strrchr(line, ')')) != NULL &&
	    sscanf(at,
		") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		"%*s %*s %*s %*s %*s %*s %*s %llu",
		&start) != 1)
		start = 0;
	(void)fclose(file);
	return start;
}

static void
name_taker(char out[TAKER_SIZE])
{
	long pid = (long)getpid();

	(void)snprintf(out, TAKER_SIZE, "%ld:%llu:%" PRIx64, pid,
	    process_start(pid), random_u64());
}

static bool
is_taker_alive(const char *taker)
{
	unsigned long long start = 0;
	long pid = 0;

	return sscanf(taker, "%ld:%llu:", &pid, &start) == 2 && pid > 0 &&
	       start != 0 && process_start(pid) == start;
}

/* What processes took that are no more is new again. */
static enum status
take_back(struct state *state)
{
	struct state_names takers = {0};
	struct sql sql;
	char **items;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_INCOMING_TAKERS);
	while ((st = sql_step(&sql, &has_row)) == STATUS_OK && has_row) {
		items = reallocarray(
		    takers.items, takers.count + 1, sizeof(*items));
		if (items == NULL) {
			st = STATUS_NOMEM;
			break;
		}
		takers.items = items;
		if ((st = sql_copy_text(&sql, 0, &items[takers.count], NULL)) !=
		    STATUS_OK)
			break;
		takers.count++;
	}
	sql_end(&sql);
	for (size_t i = 0; st == STATUS_OK && i < takers.count; i++) {
		if (is_taker_alive(takers.items[i]))
			continue;
		sql_start(&sql, state, STATE_INCOMING_GIVE_BACK);
		sql_bind_text(&sql, takers.items[i]);
		st = sql_run(&sql);
	}
	state_names_clear(&takers);
	return st;
}

enum status
state_incoming_take(struct state *state, const char *conversation, size_t limit,
    struct message_list *out)
{
	char taker[TAKER_SIZE];
	struct sql sql;
	enum status st;

	assert(state->in_transaction);
	name_taker(taker);
	if ((st = take_back(state)) != STATUS_OK)
		return st;
	sql_start(&sql, state, STATE_INCOMING_TAKE);
	sql_bind_text(&sql, taker);
	sql_bind_text(&sql, conversation);
	sql_bind_u64(&sql, limit);
	if ((st = sql_run(&sql)) != STATUS_OK)
		return st;
	sql_start(&sql, state, STATE_INCOMING_TAKEN);
	sql_bind_text(&sql, taker);
	return state_messages_read(&sql, out);
}

enum status
state_incoming_set_shown(struct state *state, int64_t number, bool is_shown)
{
	struct sql sql;

	assert(state->in_transaction);
	sql_start(&sql, state, STATE_INCOMING_SET_SHOWN);
	sql_bind_i64(&sql, number);
	sql_bind_u64(&sql, is_shown ? SHOWN_DONE : SHOWN_NEW);
	return sql_run(&sql);
}

enum status
state_incoming_count_waiting(
    struct state *state, const char *conversation, uint64_t *out)
{
	struct sql sql;

	sql_start(&sql, state, STATE_INCOMING_COUNT_WAITING);
	sql_bind_text(&sql, conversation);
	return sql_number(&sql, out);
}

enum status
state_incoming_last_waiting(struct state *state, const char *conversation,
    char **peer, char **group_name)
{
	char *name = NULL;
	struct sql sql;
	bool has_row = false;
	enum status st;

	sql_start(&sql, state, STATE_INCOMING_LAST_WAITING);
	sql_bind_text(&sql, conversation);
	st = sql_step(&sql, &has_row);
	if (st == STATUS_OK && !has_row)
		st = STATUS_NOT_FOUND;
	if (st == STATUS_OK &&
	    (st = sql_copy_text(&sql, 0, &name, NULL)) == STATUS_OK &&
	    (st = sql_copy_text(&sql, 1, group_name, NULL)) == STATUS_OK) {
		*peer = name;
		name = NULL; /* now the caller's */
	}
	free(name);
	sql_end(&sql);
	return st;
}
