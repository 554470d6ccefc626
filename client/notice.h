#ifndef PEYK_CLIENT_NOTICE_H
#define PEYK_CLIENT_NOTICE_H

/*
 * Something that the user should hear of although nothing failed. It is told
 * through client_options.notice, on the thread that uses the session, at a
 * moment when no lock is held and no transaction is open; the call back may
 * print, but not use the session.
 */
enum notice_kind {
	/* First contact with a server: its fingerprint was pinned. */
	NOTICE_SERVER_PINNED,
	/* First contact with a name, or with count names: keys were pinned. */
	NOTICE_CONTACT_PINNED,
	/* The server names other keys for a pinned name: loud. */
	NOTICE_CONTACT_CHANGED,
	/* Messages that an earlier run left half sent were sent now. */
	NOTICE_UNFINISHED_SENT,
	/* What an earlier run left half sent was refused by the server. */
	NOTICE_UNFINISHED_REFUSED,
	/* What `peyk seal` had printed was sent, or asked after, once more. */
	NOTICE_SEALED_FINISHED,
	/* A message could not be read and was set aside. */
	NOTICE_SET_ASIDE,
	/*
	 * A group of ours needs a new key, and did not get it: somebody has
	 * left, or it is new. It is tried again later.
	 */
	NOTICE_GROUP_KEY_OWED,
	/* New messages from others than the one who was asked for. */
	NOTICE_OTHERS_WAITING,
	/* The server does not answer; the request is being repeated. */
	NOTICE_RETRYING,
	/* It answers again, after NOTICE_RETRYING of the same session. */
	NOTICE_RECONNECTED,
};

/* Strings live until the call back returns. */
struct notice {
	enum notice_kind kind;
	const char *name; /* sanitized name of whom it is about, or NULL */
	const char *fingerprint; /* NOTICE_SERVER_PINNED, else NULL */
	unsigned long count; /* of messages, people: where it is about some */
	const char *text;        /* one or more whole sentences */
};

/* "server_pinned" and so on: for JSON. */
const char *notice_kind_name(enum notice_kind kind);

#endif
