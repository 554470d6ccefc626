#include "tests/unit/client/group_stage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/random.h"
#include "base/uuid.h"
#include "client/account.h"
#include "client/group_inbox.h"
#include "client/home.h"
#include "client/state_acks.h"
#include "client/state_contacts.h"
#include "client/state_messages.h"
#include "e2ee/direct.h"
#include "e2ee/group_message.h"
#include "wire/identity.h"

#define PASSWORD "correct horse battery"
#define SERVER "127.0.0.1:1"
#define NOW_MS 1795307600000

struct person {
	const char *name;
	struct signing_key_pair signing;
	struct encryption_key_pair encryption;
	struct buf statement;
};

static struct person people[STAGE_PEOPLE] = {
    [STAGE_SARA] = {.name = "sara"},
    [STAGE_REZA] = {.name = "reza"},
    [STAGE_NADIA] = {.name = "nadia"},
    [STAGE_HASSAN] = {.name = "hassan"},
};
static const struct signing_public_key server = {.bytes = {7, 8, 9}};
static char home[256];
static struct buf told;

static void
hear(void *arg, const struct notice *notice)
{
	(void)arg;
	if (notice->kind == NOTICE_SET_ASIDE ||
	    notice->kind == NOTICE_UNFINISHED_REFUSED)
		assert_ok(buf_append_string(&told, notice->text));
}

/* Nobody listens there: what would be looked up is not. */
static struct client_options options = {
    .home = home,
    .server = SERVER,
    .uses_plaintext = true,
    .timeout_ms = 1,
    .notice = hear,
};
static struct account *account;
static struct session *session;
static struct client_error error;
static struct buf last_message;
static uint32_t last_epoch;

/* ---- The account ---- */

static void
make_folders(const char *path)
{
	char part[HOME_PATH_MAX];

	for (size_t i = 1; path[i - 1] != '\0'; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		(void)mkdir(part, 0700);
	}
}

static void
make_account(void)
{
	static const struct password_cost cheap = {
	    .passes = VAULT_PASSES_MIN,
	    .memory_size = VAULT_MEMORY_MIN,
	};
	const struct state_options patient = {.wait_ms = 10000};
	char folder[HOME_PATH_MAX], path[HOME_PATH_MAX];
	struct channel_address address;
	struct vault *vault = NULL;
	struct state *state = NULL;

	assert_ok(channel_address_parse(BYTES_LITERAL(SERVER), &address));
	assert_ok(home_account_path(
	    home, &address, BYTES_LITERAL("hassan"), folder, &error));
	make_folders(folder);
	assert_ok(home_join(folder, HOME_KEY_FILE, path));
	assert_ok(vault_create(path, BYTES_LITERAL("hassan"),
	    BYTES_LITERAL(PASSWORD), &server, cheap, &vault, &error));
	assert_ok(home_join(folder, HOME_STATE_FILE, path));
	assert_ok(state_create(path, vault_database_key(vault),
	    &vault_signing(vault)->public_key, &patient, &state));
	assert_ok(state_begin(state));
	assert_ok(state_account_set_status(
	    state, STATE_ACCOUNT_STATUS_ACTIVE, 0, ""));
	assert_ok(state_commit(state));
	state_close(state);
	vault_free(vault);
}

static void
make_person(struct person *person)
{
	assert_ok(signing_key_pair_generate(&person->signing));
	assert_ok(encryption_key_pair_generate(&person->encryption));
	buf_clear(&person->statement);
	buf_init(&person->statement, WIRE_SIGNED_IDENTITY_MAX);
	assert_ok(identity_make(bytes_from_string(person->name),
	    &person->signing, &person->encryption.public_key, &server, NOW_MS,
	    &person->statement));
}

static void
pin(const struct person *person)
{
	assert_ok(state_begin(stage_state()));
	assert_ok(state_contact_pin(stage_state(), person->name,
	    buf_bytes(&person->statement), NOW_MS));
	assert_ok(state_commit(stage_state()));
}

void
stage_open(const char *folder, unsigned pinned)
{
	const struct vault *vault;

	(void)snprintf(home, sizeof(home), "%s", folder_path(folder));
	make_account();
	buf_init(&told, 1 << 16);
	assert_ok(account_open(&options, BYTES_LITERAL("hassan"),
	    BYTES_LITERAL(PASSWORD), &account, &error));
	assert_ok(session_open(account, &session, &error));
	for (int i = 0; i < STAGE_HASSAN; i++) {
		make_person(&people[i]);
		if ((pinned & STAGE_SET(i)) != 0)
			pin(&people[i]);
	}
	vault = account_vault(account);
	people[STAGE_HASSAN].signing = *vault_signing(vault);
	people[STAGE_HASSAN].encryption = *vault_encryption(vault);
	buf_init(&people[STAGE_HASSAN].statement, WIRE_SIGNED_IDENTITY_MAX);
	assert_ok(buf_append(
	    &people[STAGE_HASSAN].statement, vault_statement(vault)));
}

void
stage_close(void)
{
	for (int i = 0; i < STAGE_PEOPLE; i++)
		buf_clear(&people[i].statement);
	buf_clear(&last_message);
	buf_clear(&told);
	session_close(session);
	account_free(account);
	session = NULL;
	account = NULL;
}

struct session *
stage_session(void)
{
	return session;
}

struct state *
stage_state(void)
{
	return session_state(session);
}

const struct signing_public_key *
stage_key(enum stage_person person)
{
	return &people[person].signing.public_key;
}

void
stage_pin_other_key(enum stage_person person)
{
	struct person other = {.name = people[person].name};

	make_person(&other);
	pin(&other);
	buf_clear(&other.statement);
}

/* ---- Epochs ---- */

void
stage_make(struct stage_epoch *epoch)
{
	struct roster_member members[STAGE_PEOPLE];
	struct roster roster = {
	    .group_id = STAGE_GROUP,
	    .epoch = epoch->epoch,
	    .has_previous = epoch->previous != NULL,
	    .server_key = server,
	    .name = epoch->name,
	    .admin_key = people[epoch->admin].signing.public_key,
	    .members = members,
	};
	struct e2ee_group_secret secret;

	random_bytes(
	    epoch->server_share.bytes, sizeof(epoch->server_share.bytes));
	random_bytes(
	    epoch->admin_secret.bytes, sizeof(epoch->admin_secret.bytes));
	assert_ok(e2ee_group_secret_make(
	    &epoch->server_share, &epoch->admin_secret, &secret));
	assert_ok(e2ee_group_commitment(
	    &secret, STAGE_GROUP, epoch->epoch, &roster.key_commitment));
	if (epoch->previous != NULL)
		roster.previous_hash = *epoch->previous;
	for (int i = 0; i < STAGE_PEOPLE; i++)
		if ((epoch->members & STAGE_SET(i)) != 0)
			members[roster.member_count++] = (struct roster_member){
			    .name = i == (int)epoch->admin &&
					    epoch->admin_name != NULL
					? epoch->admin_name
					: people[i].name,
			    .signing_key = people[i].signing.public_key,
			    .encryption_key = people[i].encryption.public_key,
			};
	roster_sort(members, roster.member_count);
	buf_init(&epoch->roster, WIRE_SIGNED_ROSTER_MAX);
	assert_ok(
	    roster_make(&roster, &people[epoch->signer].signing.secret_key,
		&epoch->roster, &epoch->hash));
}

struct stage_epoch
stage_first(void)
{
	return (struct stage_epoch){
	    .epoch = 1,
	    .members = STAGE_ALL,
	    .admin = STAGE_SARA,
	    .signer = STAGE_SARA,
	    .name = "team",
	};
}

struct stage_epoch
stage_after(const struct stage_epoch *epoch)
{
	return (struct stage_epoch){
	    .epoch = epoch->epoch + 1,
	    .members = epoch->members,
	    .admin = epoch->admin,
	    .signer = epoch->admin,
	    .name = epoch->name,
	    .previous = &epoch->hash,
	};
}

/* ---- What arrives ---- */

static void
arrive(uint32_t epoch, struct bytes ciphertext, struct bytes roster,
    struct bytes leave)
{
	Peyk__V1__InboxMessage message = PEYK__V1__INBOX_MESSAGE__INIT;
	uint8_t id[UUID_SIZE];

	/* The generated fields lack the const. */
	message.group_id = STAGE_GROUP;
	message.epoch = epoch;
	message.ciphertext.data = (uint8_t *)(uintptr_t)ciphertext.data;
	message.ciphertext.len = ciphertext.size;
	message.roster.data = (uint8_t *)(uintptr_t)roster.data;
	message.roster.len = roster.size;
	message.leave.data = (uint8_t *)(uintptr_t)leave.data;
	message.leave.len = leave.size;
	random_bytes(id, sizeof(id));
	assert_ok(state_begin(stage_state()));
	assert_ok(group_inbox_add(session, &message, id, NOW_MS));
	assert_ok(state_commit(stage_state()));
}

static void
seal_letter(
    enum stage_person author, struct e2ee_direct_draft *draft, struct buf *out)
{
	struct sha256_digest hash;

	draft->sender = buf_bytes(&people[author].statement);
	draft->sender_key = &people[author].signing.secret_key;
	draft->recipient_signing_key = &people[STAGE_HASSAN].signing.public_key;
	draft->recipient_encryption_key =
	    &people[STAGE_HASSAN].encryption.public_key;
	draft->sent_at_ms = NOW_MS;
	random_bytes(draft->id.bytes, sizeof(draft->id.bytes));
	buf_init(out, WIRE_CIPHERTEXT_MAX);
	assert_ok(e2ee_direct_seal(draft, out, &hash));
}

void
stage_arrive_update(
    const struct stage_epoch *epoch, const struct stage_lie *lie)
{
	static const struct stage_lie none;
	struct e2ee_group_key_letter key = {
	    .group_id = STAGE_GROUP,
	    .epoch = epoch->epoch,
	    .roster_hash = epoch->hash,
	    .admin_secret = epoch->admin_secret,
	    .server_share = epoch->server_share,
	};
	struct e2ee_direct_draft draft = {
	    .kind = E2EE_DIRECT_KIND_GROUP_KEY,
	    .group_key = &key,
	};
	struct buf letter;

	if (lie == NULL)
		lie = &none;
	if (lie->has_wrong_hash)
		key.roster_hash.bytes[0] ^= 1;
	if (lie->has_wrong_secret)
		key.admin_secret.bytes[0] ^= 1;
	if (lie->letter_epoch != 0)
		key.epoch = lie->letter_epoch;
	seal_letter(
	    lie->has_author ? lie->author : epoch->signer, &draft, &letter);
	arrive(lie->outer_epoch != 0 ? lie->outer_epoch : epoch->epoch,
	    buf_bytes(&letter), buf_bytes(&epoch->roster), bytes_empty());
	buf_clear(&letter);
}

static void
find_key(const struct stage_epoch *epoch, enum stage_person sender,
    uint64_t index, struct e2ee_group_message_key *out)
{
	struct e2ee_group_secret secret;
	struct e2ee_group_chain chain;

	assert_ok(e2ee_group_secret_make(
	    &epoch->server_share, &epoch->admin_secret, &secret));
	assert_ok(e2ee_group_chain_init(&secret, STAGE_GROUP, epoch->epoch,
	    &people[sender].signing.public_key, &chain));
	for (uint64_t i = 0; i <= index; i++)
		assert_ok(e2ee_group_chain_step(&chain, out));
}

struct sha256_digest
stage_arrive_message(
    const struct stage_epoch *epoch, const struct stage_message *message)
{
	static const struct sha256_digest made_up = {.bytes = {1}};
	const struct person *sender = &people[message->sender];
	struct e2ee_group_draft draft = {
	    .place =
		{
		    .group_id = STAGE_GROUP,
		    .epoch = epoch->epoch,
		    .sender_key = sender->signing.public_key,
		    .index = message->index,
		},
	    .sender_key = &sender->signing.secret_key,
	    .roster_hash = message->roster_hash != NULL ? message->roster_hash
							: &epoch->hash,
	    .id = {.bytes = {message->id}},
	    .sent_at_ms = NOW_MS,
	    .counter = message->counter,
	    .text = bytes_from_string(message->text),
	};
	struct e2ee_group_message_key key;
	struct sha256_digest hash;

	if (message->counter > 1)
		draft.previous_hash =
		    message->previous != NULL ? message->previous : &made_up;
	find_key(epoch, message->sender, message->index, &key);
	buf_clear(&last_message);
	buf_init(&last_message, WIRE_CIPHERTEXT_MAX);
	assert_ok(e2ee_group_message_seal(&draft, &key, &last_message, &hash));
	if (message->is_damaged)
		last_message.data[last_message.size - 1] ^= 1;
	last_epoch = epoch->epoch;
	stage_repeat_message();
	return hash;
}

void
stage_repeat_message(void)
{
	arrive(
	    last_epoch, buf_bytes(&last_message), bytes_empty(), bytes_empty());
}

void
stage_arrive_farewell(enum stage_person author, uint32_t epoch, bool is_deleted)
{
	const struct e2ee_group_farewell farewell = {
	    .group_id = STAGE_GROUP,
	    .epoch = epoch,
	    .is_deleted = is_deleted,
	};
	struct e2ee_direct_draft draft = {
	    .kind = E2EE_DIRECT_KIND_GROUP_FAREWELL,
	    .group_farewell = &farewell,
	};
	uint8_t id[UUID_SIZE];
	struct buf letter;

	seal_letter(author, &draft, &letter);
	random_bytes(id, sizeof(id));
	assert_ok(state_begin(stage_state()));
	assert_ok(group_inbox_add_farewell(
	    session, STAGE_GROUP, buf_bytes(&letter), id, NOW_MS));
	assert_ok(state_commit(stage_state()));
	buf_clear(&letter);
}

void
stage_arrive_leave(enum stage_person member, const struct stage_epoch *epoch)
{
	const struct leave leave = {
	    .group_id = STAGE_GROUP,
	    .epoch = epoch->epoch,
	    .roster_hash = epoch->hash,
	    .member_key = people[member].signing.public_key,
	};
	struct buf statement;

	buf_init(&statement, WIRE_SIGNED_LEAVE_MAX);
	assert_ok(
	    leave_make(&leave, &people[member].signing.secret_key, &statement));
	arrive(
	    epoch->epoch, bytes_empty(), bytes_empty(), buf_bytes(&statement));
	buf_clear(&statement);
}

void
stage_process(bool is_complete)
{
	assert_ok(group_inbox_process(session, is_complete, &error));
}

/* ---- What came of it ---- */

static void
append_row(struct buf *out, const struct message *row)
{
	if (out->size > 0)
		assert_ok(buf_append_string(out, "; "));
	assert_int_equal(row->group_id, STAGE_GROUP);
	assert_ok(buf_append_string(out, row->peer));
	if (row->kind == MESSAGE_KIND_TEXT) {
		assert_ok(buf_append_format(out, ": %s", row->text));
	} else {
		assert_ok(buf_append_format(
		    out, " %s", group_event_name(row->event)));
		if (row->text_size > 0)
			assert_ok(buf_append_format(out, " %s", row->text));
	}
	if (row->order != MESSAGE_ORDER_EXPECTED)
		assert_ok(buf_append_format(
		    out, " (%s", message_order_name(row->order)));
	if (row->missing_before > 0)
		assert_ok(
		    buf_append_format(out, " %" PRIu64, row->missing_before));
	if (row->order != MESSAGE_ORDER_EXPECTED)
		assert_ok(buf_append_u8(out, ')'));
}

static int
compare_lines(const void *a, const void *b)
{
	const struct bytes *left = a, *right = b;

	return bytes_compare(*left, *right);
}

/* Names come in the order of keys, which are random here. */
static void
sort_names(struct message *row)
{
	struct bytes lines[STAGE_PEOPLE];
	size_t count = 0, start = 0;
	struct buf sorted;

	if (row->kind != MESSAGE_KIND_GROUP_EVENT)
		return;
	for (size_t i = 0; i <= row->text_size; i++) {
		if (i < row->text_size && row->text[i] != '\n')
			continue;
		assert_true(count < STAGE_PEOPLE);
		lines[count++] = bytes_make(row->text + start, i - start);
		start = i + 1;
	}
	qsort(lines, count, sizeof(*lines), compare_lines);
	buf_init(&sorted, row->text_size);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			assert_ok(buf_append_u8(&sorted, ','));
		assert_ok(buf_append(&sorted, lines[i]));
	}
	if (sorted.size > 0)
		memcpy(row->text, sorted.data, sorted.size);
	buf_clear(&sorted);
}

void
stage_assert_history(const char *expected)
{
	const struct state_message_query all = {.limit = 100};
	struct message_list list = {0};
	const char *text = "";
	struct buf rows;

	buf_init(&rows, 1 << 16);
	assert_ok(state_message_list(stage_state(), &all, &list));
	for (size_t i = 0; i < list.count; i++) {
		sort_names(&list.items[i]);
		append_row(&rows, &list.items[i]);
	}
	message_list_clear(&list);
	if (rows.size > 0)
		assert_ok(buf_string(&rows, &text));
	assert_string_equal(text, expected);
	buf_clear(&rows);
}

void
stage_assert_set_aside(uint64_t expected)
{
	uint64_t count = 0;

	assert_ok(state_set_aside_count_untold(stage_state(), NULL, &count));
	assert_int_equal(count, expected);
}

void
stage_assert_told(const char *expected)
{
	assert_bytes(buf_bytes(&told), bytes_from_string(expected));
	buf_reset(&told);
}
