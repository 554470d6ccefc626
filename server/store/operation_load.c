#include "server/store/operation_load.h"

#include <assert.h>
#include <string.h>

/* What an operation weighs besides the bytes that its inputs point to. */
#define OPERATION_BYTES ((size_t)512)

static bool
is_text_fine(const char *text)
{
	return text != NULL && strlen(text) <= STORE_MESSAGE_MAX;
}

static size_t
measure_members(const struct store_group_member *members, size_t count)
{
	size_t size = 0;

	assert(count <= STORE_GROUP_MEMBERS_MAX);
	for (size_t i = 0; i < count; i++) {
		assert(members[i].letter.size <= STORE_LETTER_MAX);
		size += sizeof(members[i]) + members[i].letter.size;
	}
	return size;
}

static size_t
measure_group(const struct store_operation *operation)
{
	const struct store_group_head *head =
	    (const struct store_group_head *)operation;
	const struct store_group_create *create;
	const struct store_group_update *update;
	const struct store_group_delete *end;

	for (int i = STORE_GROUP_VERDICT_DONE + 1;
	    head->refusals != NULL && i < STORE_GROUP_VERDICT_COUNT; i++)
		assert(head->refusals[i].code == 0 ||
		    is_text_fine(head->refusals[i].message));
	if (operation->kind == STORE_KIND_GROUP_CREATE) {
		create = (const struct store_group_create *)operation;
		assert(create->name.size <= STORE_GROUP_NAME_MAX);
		assert(create->member_count < STORE_GROUP_MEMBERS_MAX);
		return create->member_count * STORE_KEY_SIZE;
	}
	if (operation->kind == STORE_KIND_GROUP_UPDATE) {
		update = (const struct store_group_update *)operation;
		assert(update->name.size <= STORE_GROUP_NAME_MAX);
		assert(update->roster.size >= 1 &&
		    update->roster.size <= STORE_ROSTER_MAX);
		assert(update->added_count <= STORE_GROUP_MEMBERS_MAX);
		assert(update->member_count >= 1);
		return update->roster.size +
		    measure_members(update->members, update->member_count) +
		    measure_members(update->removed, update->removed_count);
	}
	if (operation->kind == STORE_KIND_GROUP_DELETE) {
		end = (const struct store_group_delete *)operation;
		return measure_members(end->letters, end->letter_count);
	}
	if (operation->kind == STORE_KIND_GROUP_LEAVE)
		assert(((const struct store_group_leave *)operation)
			   ->leave.size <= STORE_LEAVE_MAX);
	return 0;
}

size_t
operation_bytes(const struct store_operation *operation)
{
	const struct store_sign_up *sign_up;
	const struct store_send *send;
	const struct store_poll *poll;
	const struct store_lookup *lookup;
	const struct store_refuse *refuse;
	size_t size = OPERATION_BYTES;

	switch (operation->kind) {
	case STORE_KIND_ACCOUNT:
		break;
	case STORE_KIND_SIGN_UP:
		sign_up = (const struct store_sign_up *)operation;
		assert(sign_up->name.size <= STORE_NAME_MAX);
		assert(sign_up->identity.size <= STORE_IDENTITY_MAX);
		assert(sign_up->is_refused || (sign_up->password_hash != NULL &&
		    strlen(sign_up->password_hash) <=
		    STORE_PASSWORD_HASH_MAX));
		assert(sign_up->number.account_id > 0);
		assert(sign_up->number.sequence <= INT64_MAX);
		assert(sign_up->taken_code != 0);
		assert(is_text_fine(sign_up->taken_message));
		size += sign_up->name.size + sign_up->identity.size;
		break;
	case STORE_KIND_SEND:
		send = (const struct store_send *)operation;
		assert(send->message_count >= 1 &&
		    send->message_count <= STORE_SEND_MAX);
		for (size_t i = 0; i < send->message_count; i++) {
			assert(send->messages[i].ciphertext.size <=
			    STORE_CIPHERTEXT_MAX);
			size += send->messages[i].ciphertext.size + 128;
		}
		break;
	case STORE_KIND_POLL:
	case STORE_KIND_FETCH:
		poll = (const struct store_poll *)operation;
		assert(poll->ack_count <= STORE_ACKS_MAX);
		assert(poll->max_messages >= 1 &&
		    poll->max_messages <= STORE_FETCH_MAX);
		size += poll->ack_count * STORE_ID_SIZE;
		break;
	case STORE_KIND_LOOKUP:
		lookup = (const struct store_lookup *)operation;
		assert(lookup->name_count <= STORE_LOOKUP_MAX);
		for (size_t i = 0; i < lookup->name_count; i++) {
			assert(lookup->names[i].canonical.size <=
			    STORE_NAME_MAX);
			size += lookup->names[i].canonical.size;
		}
		break;
	case STORE_KIND_REFUSE:
		refuse = (const struct store_refuse *)operation;
		assert(refuse->code != 0 && is_text_fine(refuse->message));
		break;
	case STORE_KIND_GROUP_CREATE:
	case STORE_KIND_GROUP_UPDATE:
	case STORE_KIND_GROUP_LEAVE:
	case STORE_KIND_GROUP_DELETE:
	case STORE_KIND_GROUP_READ:
	case STORE_KIND_GROUP_LIST:
		size += measure_group(operation);
		break;
	}
	return size;
}

size_t
operation_fan_out(const struct store_operation *operation)
{
	const struct store_send *send = (const struct store_send *)operation;
	size_t fan_out = 0;

	switch (operation->kind) {
	case STORE_KIND_SEND:
		for (size_t i = 0; i < send->message_count; i++)
			fan_out += send->messages[i].group_id != 0;
		assert(fan_out <= STORE_SEND_GROUPS_MAX);
		return fan_out;
	case STORE_KIND_ACCOUNT:
	case STORE_KIND_SIGN_UP:
	case STORE_KIND_POLL:
	case STORE_KIND_FETCH:
	case STORE_KIND_LOOKUP:
	case STORE_KIND_REFUSE:
		return 0;
	case STORE_KIND_GROUP_CREATE:
	case STORE_KIND_GROUP_UPDATE:
	case STORE_KIND_GROUP_LEAVE:
	case STORE_KIND_GROUP_DELETE:
	case STORE_KIND_GROUP_READ:
	case STORE_KIND_GROUP_LIST:
		return 1;
	}
	return 0;
}

int64_t
operation_subject(const struct store_operation *operation)
{
	const struct store_number *number = NULL;

	switch (operation->kind) {
	case STORE_KIND_ACCOUNT:
	case STORE_KIND_FETCH:
		return 0;
	case STORE_KIND_SIGN_UP:
		number = &((const struct store_sign_up *)operation)->number;
		return (int64_t)bytes_get_u64be(number->signing_key);
	case STORE_KIND_SEND:
		number = &((const struct store_send *)operation)->number;
		break;
	case STORE_KIND_POLL:
		number = &((const struct store_poll *)operation)->number;
		break;
	case STORE_KIND_LOOKUP:
		number = &((const struct store_lookup *)operation)->number;
		break;
	case STORE_KIND_REFUSE:
		number = &((const struct store_refuse *)operation)->number;
		break;
	case STORE_KIND_GROUP_CREATE:
	case STORE_KIND_GROUP_UPDATE:
	case STORE_KIND_GROUP_LEAVE:
	case STORE_KIND_GROUP_DELETE:
	case STORE_KIND_GROUP_READ:
	case STORE_KIND_GROUP_LIST:
		number = &((const struct store_group_head *)operation)->number;
		break;
	}
	return number->account_id;
}

int64_t
operation_changed_group(const struct store_operation *operation)
{
	switch (operation->kind) {
	case STORE_KIND_GROUP_UPDATE:
	case STORE_KIND_GROUP_LEAVE:
	case STORE_KIND_GROUP_DELETE:
		return ((const struct store_group_head *)operation)->group_id;
	case STORE_KIND_ACCOUNT:
	case STORE_KIND_SIGN_UP:
	case STORE_KIND_SEND:
	case STORE_KIND_POLL:
	case STORE_KIND_FETCH:
	case STORE_KIND_LOOKUP:
	case STORE_KIND_REFUSE:
	case STORE_KIND_GROUP_CREATE:
	case STORE_KIND_GROUP_READ:
	case STORE_KIND_GROUP_LIST:
		break;
	}
	return 0;
}
