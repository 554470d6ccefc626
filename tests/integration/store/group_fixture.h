#ifndef PEYK_TESTS_STORE_GROUP_FIXTURE_H
#define PEYK_TESTS_STORE_GROUP_FIXTURE_H

#include "tests/integration/store/fixture.h"

/* Groups, as their admin sees them; hashes and rosters are made up. */
struct group {
	int64_t id;
	struct user *admin;
	char name[32];
	uint32_t epoch;
	uint8_t next_share[32];
	uint8_t share_hash[32];
	uint8_t roster_hash[32];
};

#define TRIAL_MEMBERS_MAX 1000

/* An update and all that it points to. */
struct trial {
	struct store_group_update update;
	struct store_group_member members[TRIAL_MEMBERS_MAX];
	size_t member_count;
	struct store_group_member removed[TRIAL_MEMBERS_MAX];
	uint8_t added[TRIAL_MEMBERS_MAX][32];
};

/* The code that a verdict is stored as in these tests, and its message. */
uint32_t refusal_code(enum store_group_verdict verdict);
extern const struct store_refusal group_refusals[STORE_GROUP_VERDICT_COUNT];

/* Opens accounts called u0, u1 and so on. */
void users_sign_up(struct store *store, struct user *users, int count);

/* Fills in the head; the next number of the user. */
void head_fill(struct store_group_head *head, enum store_kind kind,
    struct user *user, int64_t group_id);

/* A group in epoch 0 that has its admin and members. */
void group_create(struct store *store, struct group *group, const char *name,
    struct user *admin, const struct user *members, size_t count);

/*
 * An update that is right for a group with these members (the admin, who is
 * the caller, aside); the trial is new.
 */
void trial_fill(struct trial *trial, const struct group *group,
    const struct user *members, size_t count);
void trial_add(struct trial *trial, const struct user *user);
/* letter: may be NULL. */
void trial_remove(struct trial *trial, const struct user *user,
    const char *letter);

/* Runs it with the admin's next number; asserts the verdict. */
void trial_run(struct store *store, struct trial *trial, struct group *group,
    enum store_group_verdict verdict);

/* An update to exactly these members beside the admin, without changes. */
void group_rotate(struct store *store, struct group *group,
    const struct user *members, size_t count);

/* A group called "team" in epoch 1; what was in the inboxes is gone. */
void group_begin(struct store *store, const char *conninfo,
    struct group *group, struct user *admin, const struct user *members,
    size_t count);

/* Asserts that the operation was claimed with the verdict. */
void assert_verdict(const struct store_group_head *head,
    enum store_group_verdict verdict);

/* A leave, and its verdict. */
void group_leave(struct store *store, const struct group *group,
    struct user *user, const char *statement,
    enum store_group_verdict verdict);

/* A message to the group; the outcome. */
enum store_send_outcome group_send(struct store *store,
    const struct group *group, struct user *from, uint32_t epoch,
    struct bytes text, uint8_t id[16]);

/*
 * Polls and acknowledges everything, and gives what was there as one string:
 * for each message one of "text", "group:epoch:text",
 * "update:epoch:letter:roster" and "leave:statement", with spaces between.
 * Static until the next call.
 */
const char *drain(struct store *store, struct user *user);

#endif
