#ifndef PEYK_TESTS_UNIT_CLIENT_GROUP_STAGE_H
#define PEYK_TESTS_UNIT_CLIENT_GROUP_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "client/history.h"
#include "client/session.h"
#include "client/state.h"
#include "e2ee/group_key.h"
#include "tests/unit/client/folder.h"
#include "wire/roster.h"

/*
 * An account without a server, and others who make a group with it: what a
 * poll would bring is put into its queue. All of it fails the test that asks
 * for what cannot be.
 */

#define STAGE_GROUP ((uint64_t)7316214052834563920)

/* Who there is; the account is HASSAN. */
enum stage_person {
	STAGE_SARA,
	STAGE_REZA,
	STAGE_NADIA,
	STAGE_HASSAN,
	STAGE_PEOPLE,
};

/* A set of them. */
#define STAGE_SET(person) (1u << (person))
#define STAGE_ALL (STAGE_SET(STAGE_PEOPLE) - 1)

/* Opens the account in a folder of this name; pinned: a set. */
void stage_open(const char *folder, unsigned pinned);
void stage_close(void);

struct session *stage_session(void);
struct state *stage_state(void);
const struct signing_public_key *stage_key(enum stage_person person);

/* One more name with keys of its own for a person, pinned here. */
void stage_pin_other_key(enum stage_person person);

/* An epoch as its admin makes it. */
struct stage_epoch {
	uint32_t epoch;
	unsigned members; /* a set */
	enum stage_person admin;
	enum stage_person signer;
	const char *admin_name; /* another than its own; NULL: that */
	const char *name;
	const struct sha256_digest *previous; /* NULL: none */

	/* Filled in by stage_make(). */
	struct e2ee_group_share server_share;
	struct e2ee_group_share admin_secret;
	struct buf roster; /* signed */
	struct sha256_digest hash;
};

/* Clear it with buf_clear(&epoch->roster). */
void stage_make(struct stage_epoch *epoch);

/* The first epoch of everybody, by SARA; the one after another. */
struct stage_epoch stage_first(void);
struct stage_epoch stage_after(const struct stage_epoch *epoch);

/* ---- What arrives ---- */

/* Deviations of an update from an honest one; zeroed: none. */
struct stage_lie {
	bool has_author;
	enum stage_person author; /* of the letter */
	bool has_wrong_hash;
	bool has_wrong_secret;
	uint32_t letter_epoch; /* 0: the roster's */
	uint32_t outer_epoch;  /* as the server says it; 0: the roster's */
};

void stage_arrive_update(
    const struct stage_epoch *epoch, const struct stage_lie *lie);

/* A message of a sender at a place of its chain. */
struct stage_message {
	enum stage_person sender;
	uint64_t index;
	uint64_t counter;
	uint8_t id; /* the first byte of it */
	const char *text;
	const struct sha256_digest *previous;    /* NULL: a made-up one */
	const struct sha256_digest *roster_hash; /* NULL: the epoch's */
	bool is_damaged;
};

/* Gives the hash of its content. */
struct sha256_digest stage_arrive_message(
    const struct stage_epoch *epoch, const struct stage_message *message);

/* The same ciphertext once more, as another message of the inbox. */
void stage_repeat_message(void);

void stage_arrive_farewell(
    enum stage_person author, uint32_t epoch, bool is_deleted);
void stage_arrive_leave(
    enum stage_person member, const struct stage_epoch *epoch);

/* group_inbox_process() that succeeds. */
void stage_process(bool is_complete);

/* ---- What came of it ---- */

/*
 * The history, one row after the other: "sara: salam" for a text, "sara joined
 * hassan" for an event, names of events as group_event_name() gives them,
 * joined by "; ". Texts that the order is told of are followed by it: "
 * (missing 3)".
 */
void stage_assert_history(const char *expected);

void stage_assert_set_aside(uint64_t expected);

/* The notices since the last time; they are told by what the test calls. */
void stage_assert_told(const char *expected);

#endif
