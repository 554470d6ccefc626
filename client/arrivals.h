#ifndef PEYK_CLIENT_ARRIVALS_H
#define PEYK_CLIENT_ARRIVALS_H

#include "base/status.h"
#include "client/error.h"
#include "client/history.h"
#include "client/output.h"
#include "client/session.h"

/*
 * Prints messages that incoming_receive() gave, and marks each one that came
 * out as shown; those that did not come out are given back, for the next who
 * asks. STATUS_IO: standard output takes no more (output->has_failed).
 * Otherwise the failures of client/incoming.h.
 */
MUST_CHECK enum status arrivals_print(struct output *output,
    struct session *session, const struct message_list *messages,
    struct client_error *error);

/* One message, in the same form; marks nothing. */
MUST_CHECK enum status arrivals_print_one(struct output *output,
    const char *own_name, const struct message *message, bool is_compared);

#endif
