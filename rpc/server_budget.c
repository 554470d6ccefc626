#include "rpc/server_budget.h"

#include <assert.h>

void
rpc_budget_add(struct rpc_budget *budget, struct rpc_budget_entry *entry,
    size_t weight, uint64_t now_ms)
{
	assert(entry->budget == NULL);
	entry->budget = budget;
	entry->weight = weight;
	entry->since_ms = now_ms;
	entry->earlier = budget->last;
	entry->later = NULL;
	if (budget->last != NULL)
		budget->last->later = entry;
	else
		budget->first = entry;
	budget->last = entry;
	budget->weight += weight;
}

void
rpc_budget_remove(struct rpc_budget_entry *entry)
{
	struct rpc_budget *budget = entry->budget;

	if (budget == NULL)
		return;
	if (entry->earlier != NULL)
		entry->earlier->later = entry->later;
	else
		budget->first = entry->later;
	if (entry->later != NULL)
		entry->later->earlier = entry->earlier;
	else
		budget->last = entry->earlier;
	budget->weight -= entry->weight;
	entry->budget = NULL;
	entry->earlier = entry->later = NULL;
}

struct rpc_budget_entry *
rpc_budget_take_late(struct rpc_budget *budget, uint64_t now_ms)
{
	struct rpc_budget_entry *entry = budget->first;
	uint64_t age_ms;

	if (entry == NULL)
		return NULL;
	age_ms = now_ms - entry->since_ms;
	if (age_ms < budget->time_max_ms &&
	    (budget->weight <= budget->weight_max ||
		age_ms < budget->patience_ms))
		return NULL;
	rpc_budget_remove(entry);
	return entry;
}

bool
rpc_budget_would_exceed(const struct rpc_budget *budget, size_t weight)
{
	return budget->first != NULL &&
	       budget->weight + weight > budget->weight_max;
}

bool
rpc_budget_needs_time(const struct rpc_budget *budget)
{
	return budget->first != NULL &&
	       (budget->time_max_ms != RPC_BUDGET_NEVER ||
		   budget->weight > budget->weight_max);
}
