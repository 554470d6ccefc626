#include "client/group_effects.h"

#include "base/clock.h"
#include "client/group_epoch.h"
#include "client/state_groups.h"
#include "gen/peyk/v1/group.pb-c.h"
#include "wire/limits.h"
#include "wire/roster.h"
#include "wire/unpack.h"

static enum status
create(struct session *session, const struct state_group_update *update,
    const struct session_reply *reply)
{
	Peyk__V1__CreateGroupResponse *response = NULL;
	enum status st;

	st = wire_unpack(&peyk__v1__create_group_response__descriptor,
	    reply->body, WIRE_BODY_MAX, &response);
	if (st == STATUS_NOMEM)
		return st;
	/* The server's fault: there is no group. */
	if (st != STATUS_OK || response->group_id == 0 ||
	    response->group_id > WIRE_NUMBER_MAX)
		st = STATUS_OK;
	else
		st = state_group_add(session_state(session), response->group_id,
		    update->name, update->invited, update->sequence);
	wire_free(response);
	return st;
}

static enum status
enter(struct session *session, const struct state_group_update *update)
{
	const struct vault *vault = account_vault(session_account(session));
	struct roster roster = {0};
	struct group_entry entry = {
	    .roster = &roster,
	    .signed_roster = update->roster,
	    .server_share = &update->server_share,
	    .admin_secret = &update->admin_secret,
	    .author_key = &vault_signing(vault)->public_key,
	    .is_own = true,
	};
	enum status st;

	st = roster_reopen(update->roster, vault_server_key(vault), &roster);
	if (st == STATUS_OK)
		st = group_epoch_enter(session, &entry);
	roster_clear(&roster);
	return st;
}

static enum status
end(struct session *session, const struct state_group_update *update,
    enum group_status status)
{
	const struct vault *vault = account_vault(session_account(session));
	const struct group_end end = {
	    .group_id = update->group_id,
	    .status = status,
	    .gone_epoch = update->epoch + 1,
	    .author_key = &vault_signing(vault)->public_key,
	    .is_own = true,
	};

	return group_epoch_end(session, &end);
}

static enum status
apply(struct session *session, const struct state_group_update *update,
    const struct session_reply *reply)
{
	switch (update->purpose) {
	case GROUP_EFFECT_CREATE:
		return create(session, update, reply);
	case GROUP_EFFECT_ENTER:
		return enter(session, update);
	case GROUP_EFFECT_LEAVE:
		return end(session, update, GROUP_STATUS_LEFT);
	case GROUP_EFFECT_DELETE:
		return end(session, update, GROUP_STATUS_DELETED);
	}
	return STATUS_FORGED;
}

enum status
group_effects_apply(struct session *session, const struct session_reply *reply)
{
	struct state *state = session_state(session);
	struct state_group_update update = {0};
	enum status st;

	st = state_group_update_read(state, reply->sequence, &update);
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK;
	if (st == STATUS_OK && reply->is_done)
		st = apply(session, &update, reply);
	if (st == STATUS_OK)
		st = state_group_update_remove(state, reply->sequence);
	state_group_update_clear(&update);
	return st;
}
