#include "server/store/operation.h"

#include <stdlib.h>

#include <libpq-fe.h>

#include "server/store/group_state.h"
#include "server/store/inbox.h"

static void
clear_poll(struct store_poll *poll)
{
	poll->messages = NULL;
	poll->message_count = 0;
}

static void
clear_lookup(struct store_lookup *lookup)
{
	for (size_t i = 0; i < lookup->name_count; i++) {
		lookup->names[i].is_found = false;
		lookup->names[i].identity = bytes_empty();
	}
}

static void
clear_read(struct store_group_read *read)
{
	read->name = bytes_empty();
	read->roster = bytes_empty();
	read->leaves = NULL;
	read->leave_count = 0;
	read->member_keys = NULL;
	read->member_count = 0;
}

static void
clear_list(struct store_group_list *list)
{
	list->entries = NULL;
	list->entry_count = 0;
}

void
store_operation_clear(struct store_operation *operation)
{
	if (operation->memory == NULL)
		return;
	switch (operation->kind) {
	case STORE_KIND_POLL:
	case STORE_KIND_FETCH:
		clear_poll((struct store_poll *)operation);
		inbox_free(operation->memory);
		break;
	case STORE_KIND_LOOKUP:
		clear_lookup((struct store_lookup *)operation);
		free(operation->memory);
		break;
	case STORE_KIND_ACCOUNT:
		((struct store_account *)operation)->username = NULL;
		free(operation->memory);
		break;
	case STORE_KIND_SIGN_UP:
	case STORE_KIND_SEND:
	case STORE_KIND_REFUSE:
	case STORE_KIND_GROUP_CREATE:
	case STORE_KIND_GROUP_UPDATE:
	case STORE_KIND_GROUP_LEAVE:
	case STORE_KIND_GROUP_DELETE:
		break;
	case STORE_KIND_GROUP_READ:
		clear_read((struct store_group_read *)operation);
		group_state_free(operation->memory);
		break;
	case STORE_KIND_GROUP_LIST:
		clear_list((struct store_group_list *)operation);
		free(operation->memory);
		break;
	}
	operation->memory = NULL;
}
