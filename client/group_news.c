#include "client/group_news.h"

#include "client/group_epoch.h"
#include "client/group_events.h"
#include "client/group_leaves.h"
#include "e2ee/direct.h"

/* The words for what is wrong with any of these. */
#define BAD_UPDATE GROUP_ASIDE(GROUP_REASON_UPDATE)

/* Whether a peer's bytes are at fault, and not the machine. */
static bool
is_bad_input(enum status st)
{
	return st == STATUS_FORGED || st == STATUS_INVALID ||
	       st == STATUS_TOO_LARGE;
}

static enum status
open_letter(struct group_work *work, const struct state_group_item *item,
    struct e2ee_direct *out)
{
	const struct vault *vault =
	    account_vault(session_account(work->session));

	return e2ee_direct_open(item->ciphertext, vault_encryption(vault),
	    &vault_signing(vault)->public_key, vault_server_key(vault), out);
}

/* ---- Key updates ---- */

/* An update on its way in. */
struct update {
	const struct state_group_item *item;
	const struct state_group *group; /* NULL: unknown */
	bool is_join;
	/* Whose signature counts; not where we join: the letter's author's. */
	struct signing_public_key signer;
	struct e2ee_direct letter;
	struct roster roster;
};

static void
clear_update(struct update *update)
{
	e2ee_direct_clear(&update->letter);
	roster_clear(&update->roster);
}

/*
 * Whether its turn has come; *is_turn false with a verdict. What is not above
 * our epoch changes nothing.
 */
static enum status
look_at_turn(struct group_work *work, struct update *update, bool *is_turn,
    struct group_verdict *out)
{
	const struct state_group_item *item = update->item;
	bool is_under_way = false;
	uint32_t lowest;
	enum status st;

	*is_turn = false;
	if ((st = group_work_group(work, item->group_id, &update->group)) !=
	    STATUS_OK)
		return st;
	update->is_join = group_work_is_join(update->group, item->epoch);
	if (item->epoch == 0 ||
	    (update->group != NULL &&
		update->group->status == GROUP_STATUS_CREATING)) {
		/* Nobody but us makes the first key of a group of ours. */
		*out = BAD_UPDATE;
		return STATUS_OK;
	}
	if (update->group != NULL && item->epoch <= update->group->epoch) {
		*out = GROUP_DONE;
		return STATUS_OK;
	}
	*is_turn = update->is_join || item->epoch == update->group->epoch + 1;
	if (*is_turn)
		return STATUS_OK;
	*out = GROUP_WAITS;
	if (!work->may_skip_rosters)
		return STATUS_OK;
	/* The one before it may be our own, whose outcome is still to come. */
	if ((st = state_group_update_has(
		 work->state, item->group_id, &is_under_way)) != STATUS_OK ||
	    is_under_way)
		return st;
	if ((st = state_group_item_lowest_update(work->state, item->group_id,
		 update->group->epoch, &lowest)) != STATUS_OK)
		return st;
	*is_turn = lowest == item->epoch;
	return STATUS_OK;
}

enum status
group_news_look(struct group_work *work, const struct state_group_item *item,
    bool *is_ready, struct group_verdict *out)
{
	struct update update = {.item = item};

	return look_at_turn(work, &update, is_ready, out);
}

/* The letter: of this update, and by who may sign it. */
static enum status
check_letter(struct group_work *work, struct update *update, bool *is_good,
    struct group_verdict *out)
{
	const struct e2ee_direct *letter = &update->letter;
	const struct state_group_epoch *epoch;
	const struct roster *current;
	enum status st;

	*is_good = false;
	*out = BAD_UPDATE;
	st = open_letter(work, update->item, &update->letter);
	if (is_bad_input(st))
		return STATUS_OK;
	if (st != STATUS_OK)
		return st;
	if (letter->kind != E2EE_DIRECT_KIND_GROUP_KEY ||
	    letter->group_key.group_id != update->item->group_id ||
	    letter->group_key.epoch != update->item->epoch)
		return STATUS_OK;
	update->signer = letter->sender.signing_key;
	if (update->is_join) {
		st = group_work_judge(work, &letter->sender, out);
		*is_good = st == STATUS_OK && out->kind == GROUP_VERDICT_DONE;
		return st;
	}
	if ((st = group_work_epoch(work, update->group->id,
		 update->group->epoch, &epoch, &current)) != STATUS_OK)
		return st == STATUS_NOT_FOUND ? STATUS_FORGED : st;
	*is_good =
	    signing_public_key_equal(&update->signer, &current->admin_key);
	return STATUS_OK;
}

/*
 * Whether the roster calls who signed it as the letter does, whose author is
 * known by name and keys. At a hand-over it may be there no more.
 */
static enum status
names_signer(struct group_work *work, const struct update *update, bool *out)
{
	const struct roster_member *signer =
	    roster_find(&update->roster, &update->signer);
	struct identity identity;
	enum status st;

	*out = true;
	if (signer == NULL)
		return STATUS_OK;
	st = group_events_identify(work->session, signer, &identity);
	if (st == STATUS_OK)
		*out = identity_is_same(&identity, &update->letter.sender);
	return st;
}

/* The roster: it verifies, is what the letter means, and has us in it. */
static enum status
check_roster(struct group_work *work, struct update *update, bool *is_good)
{
	const struct vault *vault =
	    account_vault(session_account(work->session));
	const struct roster *roster = &update->roster;
	enum status st;

	*is_good = false;
	st = roster_open(update->item->roster, &update->signer,
	    vault_server_key(vault), &update->roster);
	if (is_bad_input(st))
		return STATUS_OK;
	if (st != STATUS_OK)
		return st;
	*is_good =
	    roster->group_id == update->item->group_id &&
	    roster->epoch == update->item->epoch &&
	    bytes_equal(BYTES_OF(roster->hash.bytes),
		BYTES_OF(update->letter.group_key.roster_hash.bytes)) &&
	    (roster->epoch > 1 || signing_public_key_equal(
				      &update->signer, &roster->admin_key)) &&
	    roster_find(roster, &vault_signing(vault)->public_key) != NULL;
	return *is_good ? names_signer(work, update, is_good) : STATUS_OK;
}

static bool
follows(const struct update *update)
{
	return update->roster.epoch == update->group->epoch + 1 &&
	       update->roster.has_previous &&
	       bytes_equal(BYTES_OF(update->roster.previous_hash.bytes),
		   BYTES_OF(update->group->roster_hash.bytes));
}

static enum status
enter(struct group_work *work, const struct update *update, bool is_missed)
{
	const struct group_entry entry = {
	    .roster = &update->roster,
	    .signed_roster = update->item->roster,
	    .server_share = &update->letter.group_key.server_share,
	    .admin_secret = &update->letter.group_key.admin_secret,
	    .author_key = &update->signer,
	    .is_roster_missed = is_missed,
	    .stored_at_ms = update->item->stored_at_ms,
	};
	enum status st = group_epoch_enter(work->session, &entry);

	work->has_entered = true;
	work->keys_made += update->roster.member_count;
	group_work_forget(work);
	return st;
}

enum status
group_news_update(struct group_work *work, const struct state_group_item *item,
    struct group_verdict *out)
{
	struct update update = {.item = item};
	bool is_good, is_missed = false;
	enum status st;

	if ((st = look_at_turn(work, &update, &is_good, out)) != STATUS_OK ||
	    !is_good ||
	    (st = check_letter(work, &update, &is_good, out)) != STATUS_OK ||
	    !is_good)
		goto out;
	*out = BAD_UPDATE;
	if ((st = check_roster(work, &update, &is_good)) != STATUS_OK ||
	    !is_good)
		goto out;
	if (!update.is_join && !follows(&update)) {
		*out = GROUP_WAITS;
		is_missed = true;
		if (!work->may_skip_rosters)
			goto out;
	}
	*out = GROUP_DONE;
	st = enter(work, &update, is_missed);
out:
	clear_update(&update);
	return st;
}

/* For the roster that takes us in, if one may come. */
static enum status
wait_to_join(struct group_work *work, const struct state_group_item *item,
    struct group_verdict *out)
{
	bool may_join;
	enum status st = group_work_may_join(work, item->group_id, &may_join);

	*out = st == STATUS_OK && may_join ? GROUP_WAITS : GROUP_DONE;
	return st;
}

/* ---- Farewells ---- */

static enum status
end(struct group_work *work, const struct state_group_item *item,
    const struct e2ee_direct *letter)
{
	bool is_deleted = letter->group_farewell.is_deleted;
	uint32_t epoch = letter->group_farewell.epoch;
	const struct group_end how = {
	    .group_id = item->group_id,
	    .status = is_deleted ? GROUP_STATUS_DELETED : GROUP_STATUS_REMOVED,
	    .gone_epoch = is_deleted ? epoch + 1 : epoch,
	    .author_key = &letter->sender.signing_key,
	    .stored_at_ms = item->stored_at_ms,
	};
	enum status st = group_epoch_end(work->session, &how);

	work->has_entered = true;
	group_work_forget(work);
	return st;
}

enum status
group_news_farewell(struct group_work *work,
    const struct state_group_item *item, struct group_verdict *out)
{
	struct e2ee_direct letter = {0};
	const struct state_group_epoch *epoch;
	const struct state_group *group;
	const struct roster *roster;
	uint64_t counts_in;
	enum status st;

	if ((st = group_work_group(work, item->group_id, &group)) != STATUS_OK)
		goto out;
	if (group == NULL || group->status != GROUP_STATUS_ACTIVE) {
		st = wait_to_join(work, item, out);
		goto out;
	}
	*out = BAD_UPDATE;
	st = open_letter(work, item, &letter);
	if (is_bad_input(st)) {
		st = STATUS_OK;
		goto out;
	}
	if (st != STATUS_OK)
		goto out;
	if (letter.kind != E2EE_DIRECT_KIND_GROUP_FAREWELL ||
	    letter.group_farewell.group_id != item->group_id ||
	    letter.group_farewell.epoch == 0)
		goto out;
	/* The epoch at whose end it stands: 64 bits, it may be the last. */
	counts_in = letter.group_farewell.is_deleted
			? letter.group_farewell.epoch
			: (uint64_t)letter.group_farewell.epoch - 1;
	if (counts_in != group->epoch) {
		*out = counts_in > group->epoch ? GROUP_WAITS : GROUP_DONE;
		goto out;
	}
	if ((st = group_work_epoch(work, group->id, group->epoch, &epoch,
		 &roster)) != STATUS_OK) {
		st = st == STATUS_NOT_FOUND ? STATUS_FORGED : st;
		goto out;
	}
	if (!signing_public_key_equal(
		&letter.sender.signing_key, &roster->admin_key))
		goto out;
	*out = GROUP_DONE;
	st = end(work, item, &letter);
out:
	e2ee_direct_clear(&letter);
	return st;
}

/* ---- Leaves ---- */

enum status
group_news_leave(struct group_work *work, const struct state_group_item *item,
    struct group_verdict *out)
{
	const struct state_group_epoch *epoch;
	const struct state_group *group;
	const struct roster *roster;
	struct leave leave;
	bool counts;
	enum status st;

	*out = BAD_UPDATE;
	st = leave_open(item->leave, &leave);
	if (is_bad_input(st))
		return STATUS_OK;
	if (st != STATUS_OK || leave.group_id != item->group_id)
		return st;
	if ((st = group_work_group(work, item->group_id, &group)) != STATUS_OK)
		return st;
	if (group == NULL || group->status != GROUP_STATUS_ACTIVE)
		return wait_to_join(work, item, out);
	*out = GROUP_DONE;
	if (leave.epoch > group->epoch) {
		*out = GROUP_WAITS;
		return STATUS_OK;
	}
	if ((st = group_work_epoch(
		 work, group->id, group->epoch, &epoch, &roster)) != STATUS_OK)
		return st == STATUS_NOT_FOUND ? STATUS_FORGED : st;
	return group_leaves_take(work->session, roster, item->leave, &leave,
	    item->stored_at_ms, &counts);
}
