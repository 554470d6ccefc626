#include "client/group_events.h"

#include <string.h>

#include "base/clock.h"
#include "base/name.h"
#include "client/contacts.h"
#include "client/session_request.h"
#include "client/state_messages.h"
#include "crypto/hash.h"

enum status
group_events_identify(struct session *session,
    const struct roster_member *member, struct identity *out)
{
	const struct vault *vault = account_vault(session_account(session));
	struct bytes name = bytes_from_string(member->name);
	struct buf canonical;
	enum status st;

	*out = (struct identity){
	    .signing_key = member->signing_key,
	    .encryption_key = member->encryption_key,
	    .server_key = *vault_server_key(vault),
	};
	buf_init(&canonical, NAME_CANONICAL_SIZE_MAX);
	st = name_append_canonical(name, &canonical);
	/* Rosters are verified: what does not fit is our own mistake. */
	if (st == STATUS_INVALID || st == STATUS_TOO_LARGE)
		st = STATUS_INTERNAL;
	if (st == STATUS_OK) {
		memcpy(out->name, name.data, name.size);
		memcpy(out->canonical_name, canonical.data, canonical.size);
	}
	buf_clear(&canonical);
	return st;
}

enum status
group_events_judge(struct session *session, const struct roster_member *member,
    enum message_author *out)
{
	struct identity identity;
	enum status st;

	if ((st = group_events_identify(session, member, &identity)) !=
	    STATUS_OK)
		return st;
	return contacts_judge_author(session, &identity, out);
}

static enum status
make_id(const struct group_happening *happening, uint8_t out[MESSAGE_ID_SIZE])
{
	struct sha256_digest digest;
	uint8_t epoch[8], event[8];
	const struct bytes parts[] = {
	    BYTES_OF(happening->roster_hash->bytes),
	    BYTES_OF(epoch),
	    BYTES_OF(event),
	};
	enum status st;

	bytes_put_u64be(epoch, happening->epoch);
	bytes_put_u64be(event, happening->event);
	st =
	    hash_sha256_parts(parts, sizeof(parts) / sizeof(parts[0]), &digest);
	if (st == STATUS_OK)
		memcpy(out, digest.bytes, MESSAGE_ID_SIZE);
	return st;
}

enum status
group_events_add(
    struct session *session, const struct group_happening *happening)
{
	struct state *state = session_state(session);
	uint8_t id[MESSAGE_ID_SIZE];
	enum message_author author = MESSAGE_AUTHOR_UNVERIFIED;
	struct identity identity = {0};
	bool is_known;
	enum status st;

	if (happening->author != NULL &&
	    ((st = group_events_identify(
		  session, happening->author, &identity)) != STATUS_OK ||
		(st = contacts_judge_author(session, &identity, &author)) !=
		    STATUS_OK))
		return st;
	if ((st = make_id(happening, id)) != STATUS_OK ||
	    (st = state_incoming_is_known(state, &identity.signing_key, id,
		 MESSAGE_KIND_GROUP_EVENT, &is_known)) != STATUS_OK ||
	    is_known)
		return st;
	st = state_incoming_add(
	    state, &(struct state_incoming){
		       .id = id,
		       .peer = identity.name,
		       .peer_canonical = identity.canonical_name,
		       .peer_key = &identity.signing_key,
		       .text = happening->text,
		       /* Of our own doing we know only our own clock's time. */
		       .sent_at_ms = happening->stored_at_ms != 0
					 ? happening->stored_at_ms
					 : clock_wall_ms(),
		       .stored_at_ms = happening->stored_at_ms,
		       .is_author_pinned = author == MESSAGE_AUTHOR_PINNED,
		       .is_shown = happening->is_shown,
		       .group_id = happening->group_id,
		       .epoch = happening->epoch,
		       .kind = MESSAGE_KIND_GROUP_EVENT,
		       .event = happening->event,
		   });
	if (st == STATUS_OK)
		session_tally(session)->received++;
	return st;
}
