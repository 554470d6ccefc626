#include "server/services.h"

#include "server/group_service.h"
#include "server/message_service.h"

static void
get_server_info(void *argument, struct rpc_server_call *call,
    const Peyk__V1__GetServerInfoRequest *request)
{
	struct services *services = argument;

	(void)request;
	info_service_get(services->info, call);
}

static void
sign_up(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__SignUpRequest *request)
{
	struct services *services = argument;

	account_service_sign_up(&services->account, caller, request);
}

static void
get_public_key(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__GetPublicKeyRequest *request)
{
	(void)argument;
	account_service_get_public_key(caller, request);
}

static void
send_messages(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__SendRequest *request)
{
	(void)argument;
	message_service_send(caller, request);
}

static void
poll_messages(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__PollRequest *request)
{
	struct services *services = argument;

	message_service_poll(services->waiters, caller, request);
}

static void
create_group(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__CreateGroupRequest *request)
{
	(void)argument;
	group_service_create(caller, request);
}

static void
add_member(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__AddMemberRequest *request)
{
	(void)argument;
	group_service_add(caller, request);
}

static void
remove_member(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__RemoveMemberRequest *request)
{
	(void)argument;
	group_service_remove(caller, request);
}

static void
leave_group(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__LeaveGroupRequest *request)
{
	(void)argument;
	group_service_leave(caller, request);
}

static void
rotate_group_key(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__RotateGroupKeyRequest *request)
{
	(void)argument;
	group_service_rotate(caller, request);
}

static void
get_group(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__GetGroupRequest *request)
{
	(void)argument;
	group_service_get(caller, request);
}

static void
list_groups(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__ListGroupsRequest *request)
{
	(void)argument;
	group_service_list(caller, request);
}

static void
update_group(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__UpdateGroupRequest *request)
{
	(void)argument;
	group_service_update(caller, request);
}

static void
delete_group(void *argument, struct rpc_sealed_caller *caller,
    const Peyk__V1__DeleteGroupRequest *request)
{
	(void)argument;
	group_service_delete(caller, request);
}

const struct messenger_handlers services_plain = {
    .get_server_info = get_server_info,
};

const struct messenger_sealed_handlers services_sealed = {
    .sign_up = sign_up,
    .get_public_key = get_public_key,
    .send = send_messages,
    .poll = poll_messages,
    .create_group = create_group,
    .add_member = add_member,
    .remove_member = remove_member,
    .leave_group = leave_group,
    .rotate_group_key = rotate_group_key,
    .get_group = get_group,
    .list_groups = list_groups,
    .update_group = update_group,
    .delete_group = delete_group,
};
