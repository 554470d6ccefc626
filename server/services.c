#include "server/services.h"

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

const struct messenger_handlers services_plain = {
    .get_server_info = get_server_info,
};

const struct messenger_sealed_handlers services_sealed = {
    .sign_up = sign_up,
    .get_public_key = get_public_key,
    .send = send_messages,
    .poll = poll_messages,
};
