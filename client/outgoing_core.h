#ifndef PEYK_CLIENT_OUTGOING_CORE_H
#define PEYK_CLIENT_OUTGOING_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "client/error.h"
#include "client/outgoing.h"
#include "client/session.h"
#include "gen/peyk/v1/payload.pb-c.h"

/* What sending to users and to groups share, and for them only. */

/* Every message is NOT_SENT at first. Checks the texts: STATUS_INVALID. */
MUST_CHECK enum status outgoing_begin(const struct outgoing_message *messages,
    size_t count, struct outgoing_result *results, struct client_error *error);

/* An id that was drawn for nothing means nothing. */
void outgoing_end(const struct outgoing_message *messages, size_t count,
    struct outgoing_result *results);

/*
 * Gives every message its id, and picks those that are still to be sent to
 * canonical or, if that is "", to the group: writes their places to indices.
 * STATUS_EXISTS (exit 2): an id of the caller's that belongs to another
 * message.
 */
MUST_CHECK enum status outgoing_pick(struct session *session,
    const char *canonical, uint64_t group_id,
    const struct outgoing_message *messages, size_t count,
    struct outgoing_result *results, size_t *indices, size_t *picked,
    struct client_error *error);

/* What became of a message that was picked, from the history. */
MUST_CHECK enum status outgoing_read_result(struct session *session,
    struct outgoing_result *result, struct client_error *error);

/*
 * Bytes that a message may take in a request, at most: a text, and what its
 * content holds besides.
 */
size_t outgoing_estimate(size_t text_size, size_t content_extra);

/*
 * Appends a SendRequest of these messages, which have their ciphertexts and
 * where they go. STATUS_TOO_LARGE, STATUS_NOMEM.
 */
MUST_CHECK enum status outgoing_pack(
    Peyk__V1__OutgoingMessage *messages, size_t count, struct buf *out);

/* When a STORED message was stored, by the server; false: it is not. */
bool outgoing_is_stored(
    const Peyk__V1__SendResult *result, uint64_t *stored_at_ms);

/*
 * Effects of a reply on the messages to a group in its request; response NULL:
 * it was refused. Part of outgoing_apply(); in group_sending.c.
 */
MUST_CHECK enum status group_sending_apply(struct session *session,
    uint64_t sequence, const Peyk__V1__SendResponse *response);

#endif
