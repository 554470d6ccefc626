#ifndef PEYK_CLIENT_SERVER_INFO_JSON_H
#define PEYK_CLIENT_SERVER_INFO_JSON_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/status.h"
#include "channel/server_info.h"
#include "client/message_json_read.h"

/*
 * The reply of GetServerInfo, which some other program has brought: read,
 * verified with the key inside, and what it holds as JSON. Compare that key
 * with a pin or a fingerprint. Any thread.
 */

/*
 * text is the GetServerInfoResponse in JSON. *out is the ServerInfo in it, with
 * the "fingerprint" of its identity key; each sealing key also has "opened",
 * the SealingKey, or null if it is not the server's. json_decref() it.
 * STATUS_INVALID (*problem), STATUS_FORGED: the signature is wrong.
 * STATUS_TOO_LARGE, STATUS_NOMEM, STATUS_INTERNAL.
 */
MUST_CHECK enum status server_info_json_read(struct bytes text,
    struct channel_server_info *info, json_t **out,
    struct message_json_problem *problem);

#endif
