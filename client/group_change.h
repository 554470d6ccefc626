#ifndef PEYK_CLIENT_GROUP_CHANGE_H
#define PEYK_CLIENT_GROUP_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"
#include "client/vault.h"
#include "crypto/keys.h"
#include "e2ee/group_key.h"
#include "rpc/sealed.h"
#include "wire/roster.h"

/*
 * Makes the next epoch of a group (docs/protocol.md section 13): a key, the
 * roster that commits to it, a letter to every member, and the request that
 * carries all of that. Knows no database and no connection. Any thread.
 */

/* The group as it is. All borrowed. */
struct group_change_base {
	uint64_t group_id;
	uint32_t epoch;                            /* 0: it has no key yet */
	const struct sha256_digest *previous_hash; /* NULL with epoch 0 */
	const char *name;
	/* Who is in it, oneself too, in any order: without who has left. */
	const struct roster_member *members;
	size_t member_count;
	/* The server's share of the next key. */
	const struct e2ee_group_share *server_share;
};

enum group_change_kind {
	GROUP_CHANGE_ROTATE,
	GROUP_CHANGE_ADD,
	GROUP_CHANGE_REMOVE,
	GROUP_CHANGE_RENAME,
	GROUP_CHANGE_HAND_OVER,
};

/* What becomes of it. All borrowed. */
struct group_change {
	enum group_change_kind kind;
	/* ADD: who comes, and is not among those in it. REMOVE: who goes, and
	   is. HAND_OVER: the one who is in it and becomes the admin. */
	const struct roster_member *members;
	size_t member_count;
	const char *name; /* RENAME */
};

struct group_change_result {
	uint64_t group_id;
	uint32_t epoch; /* the new one */
	struct e2ee_group_share server_share;
	struct e2ee_group_share admin_secret;
	struct buf roster; /* signed */
	struct sha256_digest roster_hash;
	const struct rpc_sealed_method *method;
	struct buf body; /* of the request */
};

/* Wipes and frees. No-op on a zeroed one. */
void group_change_result_clear(struct group_change_result *result);

/*
 * Clear *out. STATUS_INVALID: the roster would break a rule of roster_open(),
 * two members of one name for one. STATUS_FORGED: a member's key is unusable.
 * STATUS_TOO_LARGE, STATUS_NOMEM, STATUS_INTERNAL.
 */
MUST_CHECK enum status group_change_make(const struct vault *vault,
    const struct group_change_base *base, const struct group_change *change,
    uint64_t now_ms, struct group_change_result *out);

/*
 * Appends the body of a DeleteGroup with a farewell to each member; nobody is
 * told of a group that never had a key. Errors as above.
 */
MUST_CHECK enum status group_change_farewells(const struct vault *vault,
    const struct group_change_base *base, uint64_t now_ms, struct buf *body);

#endif
