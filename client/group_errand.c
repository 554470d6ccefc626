#include "client/group_errand.h"

#include "client/group_effects.h"
#include "client/session_request.h"
#include "rpc/grpc_status.h"

/* Whether the group is, before the request leaves, what it was made for. */
static bool
is_current(
    const struct state_group *group, const struct state_group_update *row)
{
	switch (row->purpose) {
	case GROUP_EFFECT_ENTER:
		return group->is_admin && group->epoch + 1 == row->epoch;
	case GROUP_EFFECT_DELETE:
		return group->is_admin && group->epoch == row->epoch;
	case GROUP_EFFECT_LEAVE:
		/* It may be of an epoch that is still to be fetched. */
		return group->status == GROUP_STATUS_ACTIVE &&
		       !group->is_admin && group->epoch <= row->epoch;
	}
	return false;
}

struct preparation {
	struct group_errand *errand;
	bool is_void;
};

static enum status
prepare(struct session *session, void *arg, uint64_t sequence, struct buf *body,
    struct client_error *error)
{
	struct preparation *preparation = arg;
	struct group_errand *errand = preparation->errand;
	struct state *state = session_state(session);
	struct state_group group = {0};
	enum status st;

	st = state_group_read(state, errand->row.group_id, &group);
	if (st != STATUS_OK)
		return state_error(error, st);
	preparation->is_void = !is_current(&group, &errand->row);
	state_group_clear(&group);
	if (preparation->is_void)
		return group_errand_give_up(error);
	errand->row.sequence = sequence;
	st = state_group_update_add(state, &errand->row);
	if (st == STATUS_OK)
		st = buf_append(body, errand->body);
	return st == STATUS_OK ? STATUS_OK : state_error(error, st);
}

/* Another process has learned the outcome: the group shows it. */
static enum status
look(struct session *session, const struct group_errand *errand, bool *is_done,
    struct client_error *error)
{
	const struct state_group_update *row = &errand->row;
	struct state *state = session_state(session);
	struct state_group_epoch epoch = {0};
	struct state_group group = {0};
	enum status st;

	if (row->purpose == GROUP_EFFECT_ENTER) {
		st = state_group_epoch_read(
		    state, row->group_id, row->epoch, &epoch);
		*is_done =
		    st == STATUS_OK &&
		    bytes_equal(bytes_make(epoch.roster, epoch.roster_size),
			row->roster);
		state_group_epoch_clear(&epoch);
		return st == STATUS_OK || st == STATUS_NOT_FOUND
			   ? STATUS_OK
			   : state_error(error, st);
	}
	st = state_group_read(state, row->group_id, &group);
	if (st != STATUS_OK)
		return state_error(error, st);
	*is_done = group.status != GROUP_STATUS_ACTIVE &&
		   group.status != GROUP_STATUS_CREATING;
	state_group_clear(&group);
	return STATUS_OK;
}

/* What the server's words mean for a group. */
static enum status
tell_refused(uint32_t code, enum status st, struct client_error *error)
{
	if (code == RPC_CODE_NOT_FOUND)
		return client_error_set(error, st, EXIT_CODE_REFUSED,
		    "The server says that you are not in this group any more, "
		    "or that it was deleted. Nothing was done.");
	if (code == RPC_CODE_PERMISSION_DENIED)
		return client_error_set(error, st, EXIT_CODE_REFUSED,
		    "The server says that you are not the admin of this group "
		    "any more. Nothing was done.");
	return st;
}

enum status
group_errand_run(struct session *session, struct group_errand *errand,
    bool *is_done, struct client_error *error)
{
	struct preparation preparation = {.errand = errand};
	const struct session_request request = {
	    .method = errand->method,
	    .prepare = prepare,
	    .arg = &preparation,
	};
	struct session_result result = {0};
	bool is_elsewhere;
	enum status st;

	*is_done = false;
	st = session_request(session, &request, &result, error);
	is_elsewhere = result.is_elsewhere;
	errand->code =
	    preparation.is_void ? RPC_CODE_ABORTED : result.refusal_code;
	session_result_clear(&result);
	if (errand->code == RPC_CODE_ABORTED ||
	    errand->code == RPC_CODE_FAILED_PRECONDITION)
		return STATUS_OK;
	if (st != STATUS_OK)
		return tell_refused(errand->code, st, error);
	if (is_elsewhere)
		return look(session, errand, is_done, error);
	*is_done = true;
	return STATUS_OK;
}

enum status
group_errand_give_up(struct client_error *error)
{
	return client_error_set(error, STATUS_BUSY, EXIT_CODE_FAILED,
	    "The group keeps changing at the same time. Nothing was done. Try "
	    "again.");
}
