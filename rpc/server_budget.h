#ifndef RPC_SERVER_BUDGET_H
#define RPC_SERVER_BUDGET_H

/*
 * What clients keep a server waiting for: a request that begins and does not
 * end, an answer that is not taken. A budget holds them in the order in which
 * they came, and says which have to end: those that are too old, and, while
 * all together weigh too much, the oldest.
 *
 * Nothing is allocated here, and the time is an argument. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RPC_BUDGET_NEVER UINT64_MAX

struct rpc_budget;

/* Embedded in what is counted; zero when it is in no budget. */
struct rpc_budget_entry {
	struct rpc_budget *budget;
	struct rpc_budget_entry *earlier, *later;
	size_t weight;
	uint64_t since_ms;
};

struct rpc_budget {
	/* Set by the owner: more than this is too much; */
	size_t weight_max;
	/* then those end that are at least so old; */
	uint64_t patience_ms;
	/* and these in any case, unless RPC_BUDGET_NEVER. */
	uint64_t time_max_ms;
	/* Its own. */
	struct rpc_budget_entry *first, *last;
	size_t weight;
};

/* `entry` is in no budget; `now_ms` never goes back. */
void rpc_budget_add(struct rpc_budget *budget, struct rpc_budget_entry *entry,
    size_t weight, uint64_t now_ms);

/* Harmless when it is in none. */
void rpc_budget_remove(struct rpc_budget_entry *entry);

/* Takes out the oldest entry that has to end now; NULL: none. */
struct rpc_budget_entry *rpc_budget_take_late(
    struct rpc_budget *budget, uint64_t now_ms);

/* Whether another one of that weight would be too much. An empty budget takes
   anything. */
bool rpc_budget_would_exceed(const struct rpc_budget *budget, size_t weight);

/* Whether some entry may have to end as time goes on. */
bool rpc_budget_needs_time(const struct rpc_budget *budget);

#endif
