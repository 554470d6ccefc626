#include "tests/integration/store/group_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

#define DRAIN_MAX 4096

const struct store_refusal group_refusals[STORE_GROUP_VERDICT_COUNT] = {
	[STORE_GROUP_VERDICT_UNKNOWN] = { 101, "unknown" },
	[STORE_GROUP_VERDICT_NOT_ADMIN] = { 102, "not the admin" },
	[STORE_GROUP_VERDICT_MOVED] = { 103, "moved" },
	[STORE_GROUP_VERDICT_UNFIT] = { 104, "unfit" },
	[STORE_GROUP_VERDICT_STALE_MEMBER] = { 105, "stale member" },
	[STORE_GROUP_VERDICT_WRONG_ROSTER] = { 106, "wrong roster" },
	[STORE_GROUP_VERDICT_ADMIN_LEAVES] = { 107, "the admin leaves" },
	[STORE_GROUP_VERDICT_NO_KEY] = { 108, "no key" },
};

uint32_t
refusal_code(enum store_group_verdict verdict)
{
	return group_refusals[verdict].code;
}

void
users_sign_up(struct store *store, struct user *users, int count)
{
	for (int i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%d", i);
		user_sign_up(store, &users[i], name);
	}
}

void
head_fill(struct store_group_head *head, enum store_kind kind,
    struct user *user, int64_t group_id)
{
	head->operation.kind = kind;
	user_number(user, ++user->sequence, 0, &head->number);
	head->group_id = group_id;
	head->refusals = group_refusals;
}

void
group_begin(struct store *store, const char *conninfo, struct group *group,
    struct user *admin, const struct user *members, size_t count)
{
	group_create(store, group, "team", admin, members, count);
	group_rotate(store, group, members, count);
	fixture_sql(conninfo, "TRUNCATE messages, group_bodies");
}

void
assert_verdict(const struct store_group_head *head,
    enum store_group_verdict verdict)
{
	assert_int_equal(head->result.claim, STORE_CLAIM_CLAIMED);
	assert_int_equal(head->verdict, verdict);
	assert_int_equal(head->result.code, refusal_code(verdict));
	assert_string_equal(head->result.message,
	    verdict == STORE_GROUP_VERDICT_DONE ? "" :
	    group_refusals[verdict].message);
}

void
group_create(struct store *store, struct group *group, const char *name,
    struct user *admin, const struct user *members, size_t count)
{
	static uint8_t keys[TRIAL_MEMBERS_MAX][32];
	struct store_group_create create;

	memset(group, 0, sizeof(*group));
	snprintf(group->name, sizeof(group->name), "%s", name);
	group->admin = admin;
	group->id = (int64_t)(random_u64() >> 1) | 1;
	random_bytes(group->next_share, 32);
	random_bytes(group->share_hash, 32);
	memset(&create, 0, sizeof(create));
	head_fill(&create.head, STORE_KIND_GROUP_CREATE, admin, group->id);
	create.name = bytes_from_string(group->name);
	memcpy(create.next_share, group->next_share, 32);
	memcpy(create.next_share_hash, group->share_hash, 32);
	for (size_t i = 0; i < count; i++)
		memcpy(keys[i], members[i].key, 32);
	create.member_keys = (const uint8_t(*)[32])keys;
	create.member_count = count;
	assert_ok(fixture_run(store, &create.head.operation));
	assert_verdict(&create.head, STORE_GROUP_VERDICT_DONE);
	assert_memory_equal(create.current_share, group->next_share, 32);
}

static struct bytes
letter_for(const struct user *user)
{
	return bytes_from_string(user->name);
}

static void
trial_put(struct trial *trial, const struct user *user, struct bytes letter)
{
	struct store_group_member *member =
	    &trial->members[trial->member_count++];

	memcpy(member->signing_key, user->key, 32);
	member->letter = letter;
}

void
trial_fill(struct trial *trial, const struct group *group,
    const struct user *members, size_t count)
{
	struct store_group_update *update = &trial->update;

	memset(trial, 0, sizeof(*trial));
	update->head.group_id = group->id;
	update->epoch = group->epoch + 1;
	memcpy(update->share_hash, group->share_hash, 32);
	memcpy(update->previous_hash, group->roster_hash, 32);
	random_bytes(update->roster_hash, 32);
	update->roster = BYTES_LITERAL("roster");
	update->name = bytes_from_string(group->name);
	memcpy(update->admin_key, group->admin->key, 32);
	random_bytes(update->next_share, 32);
	random_bytes(update->next_share_hash, 32);
	update->members = trial->members;
	update->removed = trial->removed;
	update->added_keys = (const uint8_t(*)[32])trial->added;
	trial_put(trial, group->admin, bytes_empty());
	for (size_t i = 0; i < count; i++)
		trial_put(trial, &members[i], letter_for(&members[i]));
}

void
trial_add(struct trial *trial, const struct user *user)
{
	memcpy(trial->added[trial->update.added_count++], user->key, 32);
	trial_put(trial, user, letter_for(user));
}

void
trial_remove(struct trial *trial, const struct user *user, const char *letter)
{
	struct store_group_member *removed =
	    &trial->removed[trial->update.removed_count++];

	memcpy(removed->signing_key, user->key, 32);
	removed->letter = bytes_from_string(letter);
}

void
trial_run(struct store *store, struct trial *trial, struct group *group,
    enum store_group_verdict verdict)
{
	struct store_group_update *update = &trial->update;

	update->member_count = trial->member_count;
	head_fill(&update->head, STORE_KIND_GROUP_UPDATE, group->admin,
	    group->id);
	assert_ok(fixture_run(store, &update->head.operation));
	assert_verdict(&update->head, verdict);
	if (verdict != STORE_GROUP_VERDICT_DONE)
		return;
	group->epoch = update->epoch;
	memcpy(group->next_share, update->next_share, 32);
	memcpy(group->share_hash, update->next_share_hash, 32);
	memcpy(group->roster_hash, update->roster_hash, 32);
}

void
group_rotate(struct store *store, struct group *group,
    const struct user *members, size_t count)
{
	struct trial *trial = malloc(sizeof(*trial));

	assert_non_null(trial);
	trial_fill(trial, group, members, count);
	trial_run(store, trial, group, STORE_GROUP_VERDICT_DONE);
	assert_true(trial->update.is_admin);
	free(trial);
}

void
group_leave(struct store *store, const struct group *group, struct user *user,
    const char *statement, enum store_group_verdict verdict)
{
	struct store_group_leave leave;

	memset(&leave, 0, sizeof(leave));
	head_fill(&leave.head, STORE_KIND_GROUP_LEAVE, user, group->id);
	leave.epoch = group->epoch;
	leave.leave = bytes_from_string(statement);
	assert_ok(fixture_run(store, &leave.head.operation));
	assert_verdict(&leave.head, verdict);
}

enum store_send_outcome
group_send(struct store *store, const struct group *group, struct user *from,
    uint32_t epoch, struct bytes text, uint8_t id[16])
{
	struct store_send_message message = { .group_id = group->id,
		.epoch = epoch, .ciphertext = text };
	struct store_send send;

	send_fill(&send, from, ++from->sequence, &message, 1);
	assert_ok(fixture_run(store, &send.operation));
	assert_int_equal(send.result.claim, STORE_CLAIM_CLAIMED);
	assert_int_equal(send.result.code, 0);
	if (id != NULL)
		memcpy(id, message.id, 16);
	return message.outcome;
}

static size_t
describe(const struct store_inbox_message *message, char *out, size_t size)
{
	int used;

	if (message->group_id == 0)
		used = snprintf(out, size, "%.*s ",
		    (int)message->ciphertext.size, message->ciphertext.data);
	else if (message->leave.size > 0)
		used = snprintf(out, size, "leave:%.*s ",
		    (int)message->leave.size, message->leave.data);
	else if (message->roster.size > 0)
		used = snprintf(out, size, "update:%u:%.*s:%.*s ",
		    message->epoch, (int)message->ciphertext.size,
		    message->ciphertext.data, (int)message->roster.size,
		    message->roster.data);
	else
		used = snprintf(out, size, "group:%u:%.*s ", message->epoch,
		    (int)message->ciphertext.size, message->ciphertext.data);
	assert_true((size_t)used < size);
	return (size_t)used;
}

const char *
drain(struct store *store, struct user *user)
{
	static char text[DRAIN_MAX];
	uint8_t acks[STORE_ACKS_MAX][16];
	struct store_poll poll;
	size_t used = 0, count;

	poll_fill(&poll, user, ++user->sequence);
	assert_ok(fixture_run(store, &poll.operation));
	assert_int_equal(poll.result.claim, STORE_CLAIM_CLAIMED);
	assert_false(poll.has_more);
	count = poll.message_count;
	for (size_t i = 0; i < count; i++) {
		used += describe(&poll.messages[i], text + used,
		    sizeof(text) - used);
		memcpy(acks[i], poll.messages[i].id, 16);
	}
	text[used > 0 ? used - 1 : 0] = '\0';
	store_operation_clear(&poll.operation);
	poll_fill(&poll, user, ++user->sequence);
	poll.acks = (const uint8_t(*)[16])acks;
	poll.ack_count = count;
	assert_ok(fixture_run(store, &poll.operation));
	assert_int_equal(poll.message_count, 0);
	store_operation_clear(&poll.operation);
	return text;
}
