#ifndef PEYK_SERVER_STORE_OPERATION_H
#define PEYK_SERVER_STORE_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/*
 * What the server asks of the database. Each kind is a struct whose first
 * member is a struct store_operation; the caller owns it (it may lie inside
 * its call object), zeroes it, sets the head's kind, done and the inputs,
 * and hands it to store_submit() (server/store/store.h).
 *
 * From an accepted store_submit() until done() is called the operation and
 * everything its inputs point to belong to the store: do not touch them.
 * done() is called exactly once, on a thread of the store; it must be quick
 * and must not call store_submit(). From then on the operation is the
 * caller's again, results included; store_operation_clear() frees what the
 * results own, after which the operation may be submitted again.
 *
 * Inputs whose size a peer controls are bounded by the limits below; the
 * caller has checked them, and store_submit() asserts them.
 */

#define STORE_KEY_SIZE ((size_t)32)
#define STORE_HASH_SIZE ((size_t)32)
#define STORE_ID_SIZE ((size_t)16)

#define STORE_SEND_MAX ((size_t)256)          /* messages in one Send */
#define STORE_SEND_GROUPS_MAX ((size_t)32)    /* of them to groups */
#define STORE_CIPHERTEXT_MAX ((size_t)132096) /* bytes of one message */
#define STORE_ACKS_MAX ((size_t)1024)         /* acknowledgements in a Poll */
#define STORE_FETCH_MAX ((uint32_t)1024)      /* messages fetched at once */
#define STORE_LOOKUP_MAX ((size_t)256)        /* names in a look-up */
#define STORE_NAME_MAX ((size_t)1024)         /* bytes of a canonical name */
#define STORE_IDENTITY_MAX ((size_t)2048)     /* bytes of a signed identity */
#define STORE_PASSWORD_HASH_MAX ((size_t)255) /* bytes of a PHC string */
#define STORE_MESSAGE_MAX ((size_t)255)       /* bytes of a refusal's text */
#define STORE_GROUP_MEMBERS_MAX ((size_t)1000)
#define STORE_GROUP_NAME_MAX ((size_t)256)    /* bytes */
#define STORE_ROSTER_MAX ((size_t)393344)     /* bytes of a signed roster */
#define STORE_LEAVE_MAX ((size_t)256)         /* bytes of a signed leave */
#define STORE_LETTER_MAX ((size_t)4096)       /* bytes of a letter */
#define STORE_GROUP_LIST_MAX ((size_t)1024)   /* groups in a list */

enum store_kind {
	STORE_KIND_ACCOUNT, /* struct store_account */
	STORE_KIND_SIGN_UP, /* struct store_sign_up */
	STORE_KIND_SEND,    /* struct store_send */
	STORE_KIND_POLL,    /* struct store_poll */
	STORE_KIND_FETCH,   /* struct store_poll */
	STORE_KIND_LOOKUP,  /* struct store_lookup */
	STORE_KIND_REFUSE,  /* struct store_refuse */

	STORE_KIND_GROUP_CREATE, /* struct store_group_create */
	STORE_KIND_GROUP_UPDATE, /* struct store_group_update */
	STORE_KIND_GROUP_LEAVE,  /* struct store_group_leave */
	STORE_KIND_GROUP_DELETE, /* struct store_group_delete */
	STORE_KIND_GROUP_READ,   /* struct store_group_read */
	STORE_KIND_GROUP_LIST,   /* struct store_group_list */
};

/*
 * The head of every operation.
 *
 * status, once done:
 *	STATUS_OK           the results are valid and committed
 *	STATUS_UNAVAILABLE  the database is away, or the store has stopped
 *	STATUS_INTERNAL     the database refuses this operation; see the log
 *	STATUS_NOMEM
 * Without STATUS_OK the results mean nothing. is_in_doubt then tells that it
 * may have been committed nevertheless: the same request again finds out.
 */
struct store_operation {
	enum store_kind kind;
	void (*done)(struct store_operation *operation);
	void *context; /* the caller's own, for done() */
	enum status status;
	bool is_in_doubt;

	/* The store's own. */
	struct store_operation *next;
	void *memory;       /* of the results, in one piece */
	size_t input_bytes;
	size_t fan_out; /* see store.c */
	bool is_deferred;
};

/* Who asks, and under which number (docs/protocol.md section 6). */
struct store_number {
	int64_t account_id;
	uint8_t signing_key[32];  /* RequestContent.sender_key */
	uint8_t request_hash[32]; /* SHA-256 of the request's content */
	uint64_t sequence;
};

/* What became of the number. */
enum store_claim {
	/* Nothing was done; judge by last_sequence and last_hash. */
	STORE_CLAIM_NONE,
	/* It was the next one, and is used now. */
	STORE_CLAIM_CLAIMED,
	/*
	 * It was the last one, with the same hash: the stored result is told
	 * again (the very same as when it was claimed). A Poll's
	 * acknowledgements are applied again, which changes nothing, and reads
	 * are made afresh.
	 */
	STORE_CLAIM_REPEATED,
	/*
	 * The account is gone or not active, or its key is another one by now.
	 * Nothing was done.
	 */
	STORE_CLAIM_DENIED,
};

/* The account's number and the result stored with it, after the operation. */
struct store_result {
	enum store_claim claim;
	uint64_t last_sequence; /* not with STORE_CLAIM_DENIED */
	uint8_t last_hash[32];
	uint32_t code;          /* gRPC status; 0: done */
	char message[256];      /* of a refusal, else empty */
};

enum store_account_status {
	STORE_ACCOUNT_STATUS_NONE, /* the key is unknown */
	STORE_ACCOUNT_STATUS_ACTIVE,
	STORE_ACCOUNT_STATUS_DISABLED, /* by the operator */
	STORE_ACCOUNT_STATUS_DELETED,
	/* A sign-up with this key was refused: the key is spent. */
	STORE_ACCOUNT_STATUS_REFUSED,
};

/* STORE_KIND_ACCOUNT: the account behind a signing key. Claims nothing. */
struct store_account {
	struct store_operation operation;
	uint8_t signing_key[32];

	/* With STORE_ACCOUNT_STATUS_NONE nothing else is set. */
	enum store_account_status status;
	/*
	 * The account has another key by now: signing_key answers nothing. Its
	 * owner can never use it again.
	 */
	bool is_replaced;
	int64_t account_id;
	uint8_t encryption_key[32];
	const char *username;      /* canonical; owned by the operation */
	struct store_result last;  /* claim is STORE_CLAIM_NONE */
};

/*
 * STORE_KIND_SIGN_UP: opens an account, or spends its key if the name is
 * taken: then taken_code and taken_message are stored as the result.
 *
 * result.claim:
 *	CLAIMED   the key was new. result.code is 0: the account account_id is
 *	          open; else it is taken_code
 *	REPEATED  an earlier sign-up with the same content: its result
 *	NONE      the key is known: the ordinary rule of numbers decides. Where
 *	          that says “next” and status is active, refuse with
 *	          STORE_KIND_REFUSE
 */
struct store_sign_up {
	struct store_operation operation;
	/* number.account_id: 63 fresh random bits, not 0. */
	struct store_number number;
	uint8_t encryption_key[32];
	struct bytes name;        /* canonical, UTF-8 without NUL */
	struct bytes identity;    /* a serialized SignedIdentity */
	const char *password_hash;
	/*
	 * The service refuses it (a forbidden name, closed registration): the
	 * key is spent with taken_code, the name is not looked at; name,
	 * identity and password_hash may be empty.
	 */
	bool is_refused;
	uint32_t taken_code;      /* not 0 */
	const char *taken_message;

	struct store_result result;
	enum store_account_status status; /* of the account that has the key */
	int64_t account_id;               /* of that account */
};

enum store_send_outcome {
	STORE_SEND_OUTCOME_STORED = 1,
	STORE_SEND_OUTCOME_UNKNOWN_RECIPIENT = 2, /* never an account's key */
	STORE_SEND_OUTCOME_STALE_RECIPIENT = 3,   /* replaced or gone */
	STORE_SEND_OUTCOME_UNKNOWN_GROUP = 4,     /* or the sender is not in it */
	STORE_SEND_OUTCOME_STALE_EPOCH = 5,
};

struct store_send_message {
	uint8_t recipient_key[32]; /* unless group_id is set */
	int64_t group_id;          /* 0: for one recipient */
	uint32_t epoch;            /* with group_id */
	struct bytes ciphertext;

	enum store_send_outcome outcome;
	uint8_t id[16]; /* UUIDv7, with STORED */
};

/*
 * STORE_KIND_SEND: 1 to STORE_SEND_MAX messages. Outcomes and ids are set with
 * CLAIMED, and with REPEATED if result.code is 0.
 *
 * Ids rise within the request, are above those of the sender's requests
 * before it through whichever server, and not below this machine's clock.
 */
struct store_send {
	struct store_operation operation;
	struct store_number number;
	struct store_send_message *messages;
	size_t message_count;

	struct store_result result;
};

/*
 * One pending message. group_id: 0 for one from user to user (a farewell
 * too). With group_id it is a message to the group (ciphertext), a key update
 * (roster, and the letter as ciphertext), or a leave. Owned by the operation.
 */
struct store_inbox_message {
	uint8_t id[16];
	struct bytes ciphertext;
	uint64_t stored_at_ms;   /* Unix time */
	int64_t group_id;
	uint32_t epoch;          /* of a message and of a key update */
	struct bytes roster;
	struct bytes leave;
};

/*
 * STORE_KIND_POLL: claims, deletes what is acknowledged (unknown ids are
 * ignored), then fetches what is pending, oldest id first, in one
 * transaction. Acknowledges and fetches with CLAIMED, and with REPEATED if
 * result.code is 0.
 *
 * STORE_KIND_FETCH: only fetches, for a parked Poll that was woken; of number
 * only account_id is used, and result is not set.
 *
 * Messages stop before their sum passes max_bytes, but the first always fits;
 * when many fetch at once the store may stop earlier. more: there are others.
 */
struct store_poll {
	struct store_operation operation;
	struct store_number number;
	const uint8_t (*acks)[16];
	size_t ack_count;
	uint32_t max_messages; /* 1 to STORE_FETCH_MAX */
	uint32_t max_bytes;

	struct store_result result;
	const struct store_inbox_message *messages; /* owned by the operation */
	size_t message_count;
	bool has_more;
};

struct store_lookup_name {
	struct bytes canonical;

	bool is_found;
	struct bytes identity; /* owned by the operation */
};

/*
 * STORE_KIND_LOOKUP: the identities of names. They are set with CLAIMED, and
 * with REPEATED if result.code is 0.
 */
struct store_lookup {
	struct store_operation operation;
	struct store_number number;
	struct store_lookup_name *names;
	size_t name_count;

	struct store_result result;
};

/*
 * STORE_KIND_REFUSE: uses the number for a refusal of the service: a body that
 * does not parse, a limit. result.code is code with CLAIMED; with REPEATED it
 * is what is stored, which is the same unless the service has changed.
 */
struct store_refuse {
	struct store_operation operation;
	struct store_number number;
	uint32_t code; /* not 0 */
	const char *message;

	struct store_result result;
};

/* ---- Groups (docs/protocol.md section 13) ---- */

/* What becomes of an operation on a group. The numbers are stored. */
enum store_group_verdict {
	STORE_GROUP_VERDICT_DONE,
	STORE_GROUP_VERDICT_UNKNOWN,   /* no such group, or not a member */
	STORE_GROUP_VERDICT_NOT_ADMIN,
	STORE_GROUP_VERDICT_MOVED,     /* the epoch, share or roster is another */
	/* The members, or who gets a letter, are not what they must be. */
	STORE_GROUP_VERDICT_UNFIT,
	/* A key is no account's current one. */
	STORE_GROUP_VERDICT_STALE_MEMBER,
	STORE_GROUP_VERDICT_WRONG_ROSTER, /* another name or admin than allowed */
	STORE_GROUP_VERDICT_ADMIN_LEAVES,
	STORE_GROUP_VERDICT_NO_KEY,    /* it is in epoch 0 */
};

#define STORE_GROUP_VERDICT_COUNT (STORE_GROUP_VERDICT_NO_KEY + 1)

/* The result that is stored with a number for each verdict but DONE. */
struct store_refusal {
	uint32_t code; /* gRPC status, not 0 */
	const char *message;
};

/* The head of all of them. Set after the operation, as outcomes of a Send. */
struct store_group_head {
	struct store_operation operation;
	struct store_number number;
	int64_t group_id;
	const struct store_refusal *refusals; /* by verdict; static */

	struct store_result result;
	enum store_group_verdict verdict; /* of reads; otherwise result.code */
};

/*
 * STORE_KIND_GROUP_CREATE: the group with its admin, the caller, and members,
 * in epoch 0. head.group_id: 63 fresh random bits, not 0; with REPEATED it is
 * the one that was stored. STALE_MEMBER.
 */
struct store_group_create {
	struct store_group_head head;
	struct bytes name;
	uint8_t next_share[32];
	uint8_t next_share_hash[32];
	const uint8_t (*member_keys)[32]; /* without the caller's; no doubles */
	size_t member_count;

	uint8_t current_share[32]; /* the share as it is stored */
};

/* A member of the new roster, or one that is removed. */
struct store_group_member {
	uint8_t signing_key[32];
	struct bytes letter; /* empty: none */
};

/*
 * STORE_KIND_GROUP_UPDATE: the next epoch. In one transaction: the epoch, name
 * and admin, who is a member, the roster, the next share; and for every other
 * member of the new roster a key update in its inbox, for removed ones their
 * letter as a message from user to user.
 *
 * DONE if the caller is the admin, epoch is the next one, share_hash and
 * previous_hash are the stored ones (in epoch 1 there is no previous one),
 * name and admin change only where that is allowed, every member's key is
 * current, and the accounts of members are those of the group that have not
 * left, without the removed and with the added ones. Who has left may be
 * added again, or removed. Those who have left are no members afterwards.
 * Removed ones whose key is not current get no letter.
 */
struct store_group_update {
	struct store_group_head head;
	uint32_t epoch;
	uint8_t share_hash[32];
	uint8_t previous_hash[32]; /* zeros in epoch 1 */
	uint8_t roster_hash[32];
	struct bytes roster;       /* a serialized SignedMessage */
	struct bytes name;
	uint8_t admin_key[32];
	bool may_rename, may_hand_over;
	/* As the roster has them, the caller too, whose letter is empty;
	   every other one has a letter, which the caller has checked. */
	const struct store_group_member *members;
	size_t member_count;
	const uint8_t (*added_keys)[32]; /* among them */
	size_t added_count;
	const struct store_group_member *removed;
	size_t removed_count;
	uint8_t next_share[32]; /* fresh */
	uint8_t next_share_hash[32];

	/* With code 0: the share as it is stored, if the caller is admin. */
	bool is_admin;
	uint8_t current_share[32];
};

/*
 * STORE_KIND_GROUP_LEAVE: the caller leaves; every other member that has not
 * left gets the statement. UNKNOWN, ADMIN_LEAVES, NO_KEY, MOVED (another
 * epoch).
 */
struct store_group_leave {
	struct store_group_head head;
	uint32_t epoch;     /* of the statement */
	struct bytes leave; /* a serialized SignedMessage */
};

/*
 * STORE_KIND_GROUP_DELETE: the group, and letters to members as messages from
 * user to user, but not to keys that are not current any more. UNKNOWN,
 * NOT_ADMIN, MOVED (another epoch), UNFIT (a letter for who is no other member).
 */
struct store_group_delete {
	struct store_group_head head;
	uint32_t epoch;
	const struct store_group_member *letters;
	size_t letter_count;
};

/*
 * STORE_KIND_GROUP_READ: how a group stands. Read with CLAIMED, and with
 * REPEATED if result.code is 0; then verdict is DONE, or UNKNOWN (a repeat
 * finds that it has gone meanwhile). Results are owned by the operation.
 */
struct store_group_read {
	struct store_group_head head;

	uint32_t epoch;
	struct bytes name;
	struct bytes roster; /* empty in epoch 0 */
	const struct bytes *leaves;
	size_t leave_count;
	bool is_admin; /* only then the next three */
	uint8_t next_share[32];
	const uint8_t (*member_keys)[32]; /* in epoch 0 */
	size_t member_count;
};

struct store_group_entry {
	int64_t group_id;
	struct bytes name;
	uint32_t epoch;
	bool is_admin;
};

/*
 * STORE_KIND_GROUP_LIST: the caller's groups above head.group_id, by id, that
 * it has not left. Read as GROUP_READ. Results are owned by the operation.
 */
struct store_group_list {
	struct store_group_head head;

	const struct store_group_entry *entries;
	size_t entry_count; /* up to STORE_GROUP_LIST_MAX */
	bool has_more;
};

/* Frees what the results own. A zeroed operation is fine. */
void store_operation_clear(struct store_operation *operation);

#endif
