#include "e2ee/chain.h"

#include <assert.h>
#include <stddef.h>

#include "wire/limits.h"

enum status
e2ee_chain_next(const struct e2ee_chain *chain, struct e2ee_chain_link *out)
{
	if (chain->counter >= WIRE_NUMBER_MAX)
		return STATUS_TOO_LARGE;
	out->counter = chain->counter + 1;
	out->previous_hash = chain->counter == 0 ? NULL : &chain->hash;
	return STATUS_OK;
}

void
e2ee_chain_advance(struct e2ee_chain *chain,
    const struct sha256_digest *content_hash)
{
	assert(chain->counter < WIRE_NUMBER_MAX);
	chain->counter++;
	chain->hash = *content_hash;
}

void
e2ee_chain_roll_back(struct e2ee_chain *chain,
    const struct e2ee_chain_link *refused)
{
	struct e2ee_chain before = {0};

	assert(refused->counter > 0);
	if (chain->counter < refused->counter)
		return;
	before.counter = refused->counter - 1;
	if (before.counter > 0) {
		assert(refused->previous_hash != NULL);
		before.hash = *refused->previous_hash;
	}
	*chain = before;
}

static enum e2ee_chain_verdict
judge(const struct e2ee_chain *chain, const struct e2ee_chain_link *link)
{
	if (link->counter <= chain->counter)
		return link->counter == 1 ? E2EE_CHAIN_ANEW :
		    E2EE_CHAIN_EARLIER;
	if (link->counter - chain->counter > 1)
		return E2EE_CHAIN_MISSING;
	if (chain->counter > 0 && (link->previous_hash == NULL ||
	    !sha256_digest_equal(link->previous_hash, &chain->hash)))
		return E2EE_CHAIN_FORKED;
	return E2EE_CHAIN_EXPECTED;
}

enum e2ee_chain_verdict
e2ee_chain_receive(struct e2ee_chain *chain,
    const struct e2ee_chain_link *link,
    const struct sha256_digest *content_hash, uint64_t *missing)
{
	enum e2ee_chain_verdict verdict;

	assert(link->counter > 0);
	verdict = judge(chain, link);
	*missing = verdict == E2EE_CHAIN_MISSING ?
	    link->counter - chain->counter - 1 : 0;
	if (verdict != E2EE_CHAIN_EARLIER)
		*chain = (struct e2ee_chain){ .counter = link->counter,
			.hash = *content_hash };
	return verdict;
}
