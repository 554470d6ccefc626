#ifndef PEYK_SERVER_GROUP_SERVICE_H
#define PEYK_SERVER_GROUP_SERVICE_H

#include "gen/peyk/v1/messenger.grpc-c.h"

/*
 * Groups (docs/protocol.md section 13). Handlers of sealed RPCs: they run on
 * the call's worker. What a request says by itself is judged here; how it
 * fits the group is judged by the store, in the transaction that does it.
 */

void group_service_create(struct rpc_sealed_caller *caller,
    const Peyk__V1__CreateGroupRequest *request);
void group_service_leave(struct rpc_sealed_caller *caller,
    const Peyk__V1__LeaveGroupRequest *request);
void group_service_get(
    struct rpc_sealed_caller *caller, const Peyk__V1__GetGroupRequest *request);
void group_service_list(struct rpc_sealed_caller *caller,
    const Peyk__V1__ListGroupsRequest *request);
void group_service_delete(struct rpc_sealed_caller *caller,
    const Peyk__V1__DeleteGroupRequest *request);

/* Updates: in server/group_update.c. */
void group_service_add(struct rpc_sealed_caller *caller,
    const Peyk__V1__AddMemberRequest *request);
void group_service_remove(struct rpc_sealed_caller *caller,
    const Peyk__V1__RemoveMemberRequest *request);
void group_service_rotate(struct rpc_sealed_caller *caller,
    const Peyk__V1__RotateGroupKeyRequest *request);
void group_service_update(struct rpc_sealed_caller *caller,
    const Peyk__V1__UpdateGroupRequest *request);

#endif
