#include "server/store/batch_work.h"

#include <stdlib.h>

/* The third stage: what goes into inboxes, and whom to tell of it. */

struct delivery {
	struct batch *batch;
	struct parameters direct; /* STATEMENT_DELIVER */
	struct parameters shared; /* STATEMENT_DELIVER_SHARED */
	struct parameters bodies; /* STATEMENT_STORE_BODIES */
	enum status status;       /* of the mail */
};

/* What all recipients of one message of a group have in common. */
struct shared {
	const uint8_t *id;
	int64_t sender_id;
	enum message_kind kind;
	int64_t group_id;
	uint32_t epoch;    /* not of a leave */
	struct bytes body; /* into group_bodies; empty: nothing */
	bool is_begun;     /* somebody gets it */
};

/*
 * Those of a repeated operation have it already, but whoever stored it may
 * have died before it told them.
 */
static void
add_mail(struct delivery *delivery, int64_t recipient)
{
	if (delivery->status == STATUS_OK)
		delivery->status =
		    batch_mail_add(delivery->batch->mail, recipient);
}

static void
add_direct(struct delivery *delivery, const struct work *work,
    int64_t recipient, const uint8_t id[16], struct bytes body)
{
	struct parameters *parameters = &delivery->direct;

	add_mail(delivery, recipient);
	if (!work->is_claimed)
		return;
	parameters_int8(parameters, 0, recipient);
	parameters_bytes(parameters, 1, bytes_make(id, STORE_ID_SIZE));
	parameters_int8(parameters, 2, work->number->account_id);
	parameters_bytes(parameters, 3, body);
}

static void
begin_shared(struct delivery *delivery, struct shared *shared)
{
	struct parameters *parameters = &delivery->shared;
	struct bytes id = bytes_make(shared->id, STORE_ID_SIZE);

	shared->is_begun = true;
	parameters_bytes(parameters, 3, id);
	parameters_int8(parameters, 4, shared->sender_id);
	parameters_int4(parameters, 5, (int32_t)shared->kind);
	parameters_int8(parameters, 6, shared->group_id);
	if (shared->kind == MESSAGE_KIND_LEAVE)
		parameters_null(parameters, 7);
	else
		parameters_int4(parameters, 7, (int32_t)shared->epoch);
	if (shared->body.size == 0) {
		parameters_null(parameters, 8);
		return;
	}
	parameters_int4(parameters, 8, (int32_t)shared->body.size);
	parameters_int8(&delivery->bodies, 0, shared->group_id);
	parameters_bytes(&delivery->bodies, 1, id);
	parameters_bytes(&delivery->bodies, 2, shared->body);
}

/* own: what only this recipient gets. */
static void
add_shared(struct delivery *delivery, const struct work *work,
    struct shared *shared, int64_t recipient, struct bytes own)
{
	struct parameters *parameters = &delivery->shared;

	add_mail(delivery, recipient);
	if (!work->is_claimed)
		return;
	if (!shared->is_begun)
		begin_shared(delivery, shared);
	parameters_int8(parameters, 0, recipient);
	parameters_int4(parameters, 1,
	    (int32_t)parameters_count(parameters, 3));
	parameters_bytes(parameters, 2, own);
}

/* To everybody who is in the group but the sender. */
static void
add_to_members(struct delivery *delivery, const struct work *work,
    struct shared *shared, struct bytes own)
{
	struct group_view view =
	    group_rows_view(&delivery->batch->members, shared->group_id);

	for (size_t i = 0; i < view.count; i++) {
		if (!view.members[i].has_left &&
		    view.members[i].id != shared->sender_id)
			add_shared(delivery, work, shared, view.members[i].id,
			    own);
	}
}

static void
add_send(struct delivery *delivery, const struct work *work)
{
	const struct store_send *send = send_of(work);

	for (size_t i = 0; i < send->message_count; i++) {
		const struct store_send_message *message = &send->messages[i];
		struct shared shared = { .id = message->id,
			.sender_id = work->number->account_id,
			.kind = MESSAGE_KIND_GROUP,
			.group_id = message->group_id,
			.epoch = message->epoch, .body = message->ciphertext };
		enum key_state state;
		int64_t recipient;

		if (message->outcome != STORE_SEND_OUTCOME_STORED)
			continue;
		if (message->group_id != 0)
			add_to_members(delivery, work, &shared, bytes_empty());
		else if (batch_find_key(delivery->batch,
			BYTES_OF(message->recipient_key), &recipient, &state))
			add_direct(delivery, work, recipient, message->id,
			    message->ciphertext);
	}
}

/* Letters to those who are out of the group; nobody else can read them. */
static void
add_farewells(struct delivery *delivery, const struct work *work,
    const struct store_group_member *letters, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t recipient;

		if (letters[i].letter.size > 0 &&
		    batch_find_current(delivery->batch, letters[i].signing_key,
			&recipient))
			add_direct(delivery, work, recipient, work->id,
			    letters[i].letter);
	}
}

static void
add_update(struct delivery *delivery, const struct work *work)
{
	const struct store_group_update *update = group_update_of(work);
	struct shared shared = { .id = work->id,
		.sender_id = work->number->account_id,
		.kind = MESSAGE_KIND_UPDATE,
		.group_id = update->head.group_id, .epoch = update->epoch,
		.body = update->roster };

	for (size_t i = 0; i < update->member_count; i++) {
		const struct store_group_member *member = &update->members[i];
		int64_t recipient;

		if (batch_find_current(delivery->batch, member->signing_key,
			&recipient) && recipient != shared.sender_id)
			add_shared(delivery, work, &shared, recipient,
			    member->letter);
	}
	add_farewells(delivery, work, update->removed, update->removed_count);
}

static void
add_leave(struct delivery *delivery, const struct work *work)
{
	const struct store_group_leave *leave = group_leave_of(work);
	struct shared shared = { .id = work->id,
		.sender_id = work->number->account_id,
		.kind = MESSAGE_KIND_LEAVE,
		.group_id = leave->head.group_id };

	/* So small that each may have its own. */
	add_to_members(delivery, work, &shared, leave->leave);
}

static void
add_work(struct delivery *delivery, const struct work *work)
{
	const struct store_group_delete *end = group_delete_of(work);

	switch (work->operation->kind) {
	case STORE_KIND_SEND:
		add_send(delivery, work);
		break;
	case STORE_KIND_GROUP_UPDATE:
		add_update(delivery, work);
		break;
	case STORE_KIND_GROUP_LEAVE:
		add_leave(delivery, work);
		break;
	case STORE_KIND_GROUP_DELETE:
		add_farewells(delivery, work, end->letters, end->letter_count);
		break;
	case STORE_KIND_ACCOUNT:
	case STORE_KIND_SIGN_UP:
	case STORE_KIND_POLL:
	case STORE_KIND_FETCH:
	case STORE_KIND_LOOKUP:
	case STORE_KIND_REFUSE:
	case STORE_KIND_GROUP_CREATE:
	case STORE_KIND_GROUP_READ:
	case STORE_KIND_GROUP_LIST:
		break;
	}
}

enum database_failure
batch_send_deliveries(struct batch *batch)
{
	struct delivery delivery = { .batch = batch, .status = STATUS_OK };
	enum database_failure failure;

	parameters_init(&delivery.direct,
	    statement_text(STATEMENT_DELIVER)->types);
	parameters_init(&delivery.shared,
	    statement_text(STATEMENT_DELIVER_SHARED)->types);
	parameters_init(&delivery.bodies,
	    statement_text(STATEMENT_STORE_BODIES)->types);
	for (size_t i = 0; i < batch->count; i++) {
		const struct work *work = &batch->works[i];

		if (work->result != NULL && work_is_served(work))
			add_work(&delivery, work);
	}
	if ((failure = batch_status(delivery.status)) ==
		DATABASE_FAILURE_NONE &&
	    (failure = batch_send_filled(batch, STATEMENT_DELIVER,
		 &delivery.direct)) == DATABASE_FAILURE_NONE &&
	    (failure = batch_send_filled(batch, STATEMENT_STORE_BODIES,
		 &delivery.bodies)) == DATABASE_FAILURE_NONE)
		failure = batch_send_filled(batch, STATEMENT_DELIVER_SHARED,
		    &delivery.shared);
	parameters_clear(&delivery.direct);
	parameters_clear(&delivery.shared);
	parameters_clear(&delivery.bodies);
	return failure;
}
