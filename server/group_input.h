#ifndef PEYK_SERVER_GROUP_INPUT_H
#define PEYK_SERVER_GROUP_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gen/peyk/v1/group.pb-c.h"
#include "server/caller.h"
#include "server/store/operation.h"
#include "wire/limits.h"

/*
 * What the handlers of groups share: inputs, checked, and the texts of
 * refusals. "False: it has answered" means that neither the caller nor what
 * is attached to it may be touched afterwards.
 */

/* The members of a group besides its admin. */
#define GROUP_OTHERS_MAX (WIRE_GROUP_MEMBERS_MAX - 1)

/* For store_group_head.refusals, by verdict. */
extern const struct store_refusal group_refusals[STORE_GROUP_VERDICT_COUNT];
extern const struct store_refusal
    group_delete_refusals[STORE_GROUP_VERDICT_COUNT];

/* Begins an operation of this kind. refusals: one of the above. */
void group_head(const struct caller *caller, enum store_kind kind,
    uint64_t group_id, const struct store_refusal *refusals,
    struct store_group_head *out);

/*
 * Whether a group can have this id. False: it has answered, that there is no
 * such group.
 */
bool group_id_check(struct caller *caller, uint64_t group_id);

/* A fresh share of a group's key and its hash. *share is secret. */
MUST_CHECK enum status group_share_make(
    uint8_t share[STORE_KEY_SIZE], uint8_t hash[STORE_HASH_SIZE]);

/*
 * Copies signing keys in rising order. Refuses more than GROUP_OTHERS_MAX,
 * those of another size, and one that stands twice. *out is the caller's to
 * free(), not NULL. False: it has answered.
 */
bool group_keys_copy(struct caller *caller, const ProtobufCBinaryData *keys,
    size_t count, uint8_t (**out)[STORE_KEY_SIZE]);

/* The place of a key among sorted ones; count: it is not there. */
size_t group_keys_find(const uint8_t (*keys)[STORE_KEY_SIZE], size_t count,
    const uint8_t key[STORE_KEY_SIZE]);

/*
 * Refuses too many letters and those of a wrong size. False: it has answered.
 */
bool group_letters_check(
    struct caller *caller, Peyk__V1__GroupLetter *const *letters, size_t count);

#endif
