#ifndef PEYK_WIRE_LIMITS_H
#define PEYK_WIRE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/*
 * The limits of the protocol (docs/protocol.md section 12), each with its
 * reason. Both sides refuse what is larger before they allocate for it.
 */

/* Bytes of text in a message: some twenty pages, far past any chat. */
#define WIRE_TEXT_MAX ((size_t)65536)

/*
 * Bytes of a message's content: the largest text and its frame, padded to a
 * power of two.
 */
#define WIRE_CONTENT_MAX ((size_t)131072)

/* The least it is padded to: a chat line and the sender's identity. */
#define WIRE_CONTENT_MIN ((size_t)256)

/*
 * Bytes of OutgoingMessage.ciphertext: the largest content and 1 KiB for
 * signature, frame, encapsulated key and tag, and for what comes later.
 */
#define WIRE_CIPHERTEXT_MAX ((size_t)132096)

/* Bytes of RequestContent.body: what one call may cost in memory. */
#define WIRE_BODY_MAX ((size_t)4 << 20)

/*
 * Bytes of a SealedRequest or SealedResponse and of their ciphertexts: a
 * body, and 64 KiB for all that is around it.
 */
#define WIRE_ENVELOPE_MAX (WIRE_BODY_MAX + ((size_t)64 << 10))

/* Messages in a Send: enough that one signature is shared by many. */
#define WIRE_MESSAGES_PER_SEND ((size_t)256)

/* Of them to groups: each goes to up to 999 inboxes. */
#define WIRE_GROUP_MESSAGES_PER_SEND ((size_t)32)

/* Messages and acknowledgements of a Poll at most, and when 0 is asked. */
#define WIRE_MESSAGES_PER_POLL ((size_t)1024)
#define WIRE_MESSAGES_PER_POLL_DEFAULT ((size_t)256)

/* Bytes of ciphertext in a Poll's reply: the rest of a body is for frames. */
#define WIRE_POLL_REPLY_MAX ((size_t)3 << 20)

/* PollRequest.wait_ms: shorter than what proxies and NATs cut off. */
#define WIRE_POLL_WAIT_MAX_MS ((uint32_t)60000)

/* Names in a GetPublicKey: as many as the recipients of one Send. */
#define WIRE_NAMES_PER_LOOKUP ((size_t)256)

/* Bytes of SignedIdentity.identity: the longest name and 104 of keys. */
#define WIRE_IDENTITY_MAX ((size_t)1024)

/* Bytes of a serialized SignedIdentity: the above, signature, two frames. */
#define WIRE_SIGNED_IDENTITY_MAX ((size_t)1152)

/*
 * Members of a group with its admin: letters for all of them fit into one
 * body, and one database transaction stays short.
 */
#define WIRE_GROUP_MEMBERS_MAX ((size_t)1000)

/* A group's name: code points, and bytes of as many in UTF-8. */
#define WIRE_GROUP_NAME_LENGTH ((size_t)64)
#define WIRE_GROUP_NAME_MAX ((size_t)256)

/* Bytes of a Roster: 1000 members with the longest names take 330 KB. */
#define WIRE_ROSTER_MAX ((size_t)384 << 10)

/* Bytes of a serialized SignedMessage that holds a Roster. */
#define WIRE_SIGNED_ROSTER_MAX (WIRE_ROSTER_MAX + (size_t)128)

/* Bytes of a serialized SignedMessage that holds a Leave: 160 at most. */
#define WIRE_SIGNED_LEAVE_MAX ((size_t)256)

/*
 * Bytes of GroupLetter.ciphertext: the content of a key with the longest
 * identity is padded to 2,048.
 */
#define WIRE_LETTER_MAX ((size_t)4096)

/* Groups in the reply of ListGroups. */
#define WIRE_GROUPS_PER_LIST ((size_t)1024)

/*
 * Keys of a sender's chain that a recipient passes over for one message, and
 * keeps of one chain: what a member can make it compute and store.
 */
#define WIRE_GROUP_SKIP_MAX ((uint64_t)2048)

/* Bytes of a method name: "/peyk.v1.Messenger/" and a name of 100 letters. */
#define WIRE_METHOD_MAX ((size_t)128)

/* Bytes of ResponseContent.message: a sentence or two. */
#define WIRE_REASON_MAX ((size_t)1024)

/* Bytes of a GetServerInfoResponse: eight sealing keys take under 2 KiB. */
#define WIRE_SERVER_INFO_MAX ((size_t)16 << 10)

/* Sealing keys in it: one in force, one to come, those in their grace. */
#define WIRE_SEALING_KEYS_MAX ((size_t)8)

/* Bytes of ServerInfo.version. */
#define WIRE_VERSION_MAX ((size_t)64)

/* SignUpRequest: bytes of the nonce, of the invite token at most. */
#define WIRE_NONCE_SIZE ((size_t)32)
#define WIRE_INVITE_TOKEN_MAX ((size_t)256)

/* Fixed sizes of identifiers. */
#define WIRE_KEY_ID_SIZE ((size_t)8)
#define WIRE_MESSAGE_ID_SIZE ((size_t)16)
#define WIRE_INBOX_ID_SIZE ((size_t)16) /* base/uuid.h: as text */

/* A first number is below it: no account ever runs out of numbers. */
#define WIRE_FIRST_SEQUENCE_END ((uint64_t)1 << 48)

/* ResponseContent.retry_after_ms: longer ones count as an hour. */
#define WIRE_RETRY_AFTER_MAX_MS ((uint64_t)3600000)

/* Highest number and counter: PostgreSQL's and SQLite's are signed. */
#define WIRE_NUMBER_MAX ((uint64_t)INT64_MAX)

/* Latest time: 9999-12-31T23:59:59.999Z, the last that dates can write. */
#define WIRE_TIME_MAX_MS ((uint64_t)253402300799999)

/* How far clocks may be apart when a key's time is judged: five minutes. */
#define WIRE_CLOCK_TOLERANCE_MS ((uint64_t)300000)

#endif
