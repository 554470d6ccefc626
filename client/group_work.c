#include "client/group_work.h"

#include <stdlib.h>
#include <string.h>

#include "client/contacts.h"
#include "wire/limits.h"

void
group_work_forget(struct group_work *work)
{
	state_group_clear(&work->group);
	state_group_epoch_clear(&work->epoch);
	roster_clear(&work->roster);
	work->has_group = false;
	work->has_epoch = false;
}

void
group_work_clear(struct group_work *work)
{
	group_work_forget(work);
	state_names_clear(&work->unknown);
	state_names_clear(&work->answered);
}

enum status
group_work_group(
    struct group_work *work, uint64_t group_id, const struct state_group **out)
{
	enum status st;

	if (!work->has_group || work->group_id != group_id) {
		state_group_clear(&work->group);
		work->has_group = false;
		st = state_group_read(work->state, group_id, &work->group);
		if (st != STATUS_OK && st != STATUS_NOT_FOUND)
			return st;
		work->has_group = true;
		work->group_id = group_id;
	}
	*out = work->group.id == group_id ? &work->group : NULL;
	return STATUS_OK;
}

enum status
group_work_epoch(struct group_work *work, uint64_t group_id, uint32_t epoch,
    const struct state_group_epoch **out, const struct roster **roster)
{
	const struct vault *vault =
	    account_vault(session_account(work->session));
	enum status st;

	if (!work->has_epoch || work->epoch_group_id != group_id ||
	    work->epoch_number != epoch) {
		state_group_epoch_clear(&work->epoch);
		roster_clear(&work->roster);
		work->has_epoch = false;
		if ((st = state_group_epoch_read(work->state, group_id, epoch,
			 &work->epoch)) != STATUS_OK)
			return st;
		st = roster_reopen(
		    bytes_make(work->epoch.roster, work->epoch.roster_size),
		    vault_server_key(vault), &work->roster);
		if (st != STATUS_OK)
			return st == STATUS_NOMEM ? st : STATUS_FORGED;
		work->has_epoch = true;
		work->epoch_group_id = group_id;
		work->epoch_number = epoch;
	}
	*out = &work->epoch;
	*roster = &work->roster;
	return STATUS_OK;
}

bool
group_work_is_join(const struct state_group *group, uint32_t epoch)
{
	return group == NULL || group->epoch == 0 ||
	       (group->gone_epoch > 0 && epoch >= group->gone_epoch);
}

enum status
group_work_may_join(struct group_work *work, uint64_t group_id, bool *out)
{
	*out = true;
	return work->is_complete
		   ? state_group_item_has_update(work->state, group_id, out)
		   : STATUS_OK;
}

static bool
has_name(const struct state_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->items[i], name) == 0)
			return true;
	return false;
}

static enum status
add_name(struct state_names *names, const char *name)
{
	char **items;

	items =
	    reallocarray(names->items, names->count + 1, sizeof(*names->items));
	if (items == NULL)
		return STATUS_NOMEM;
	names->items = items;
	if ((items[names->count] = strdup(name)) == NULL)
		return STATUS_NOMEM;
	names->count++;
	return STATUS_OK;
}

enum status
group_work_judge(struct group_work *work, const struct identity *author,
    struct group_verdict *out)
{
	const char *name = author->canonical_name;
	enum message_author known;
	enum status st;

	st = contacts_judge_author(work->session, author, &known);
	if (st != STATUS_OK)
		return st;
	switch (known) {
	case MESSAGE_AUTHOR_PINNED:
		*out = GROUP_DONE;
		return STATUS_OK;
	case MESSAGE_AUTHOR_CONFLICTING:
		*out = GROUP_ASIDE(GROUP_REASON_CONFLICT);
		return STATUS_OK;
	case MESSAGE_AUTHOR_UNVERIFIED:
		break;
	}
	if (has_name(&work->answered, name)) {
		*out = GROUP_ASIDE(GROUP_REASON_UPDATE);
		return STATUS_OK;
	}
	*out = GROUP_WAITS;
	if (work->unknown.count == WIRE_NAMES_PER_LOOKUP ||
	    has_name(&work->unknown, name))
		return STATUS_OK;
	return add_name(&work->unknown, name);
}
