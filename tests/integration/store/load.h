#ifndef PEYK_TESTS_STORE_LOAD_H
#define PEYK_TESTS_STORE_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "server/store/store.h"

/*
 * Many users who send each other messages and poll, each request repeated
 * until it is answered, as honest clients do. At the end everything that was
 * sent has arrived exactly once, and in each sender's order; what differs is
 * told and the process aborts (the users' threads may not fail a test).
 */
struct load {
	struct store *stores[2]; /* requests go through them in turn */
	size_t store_count;
	size_t users;            /* at most LOAD_USERS_MAX */
	size_t requests;         /* of each user */
	bool is_doubled;         /* each Send goes through both at once */
	bool is_grouped;         /* every other message is to all at once */
	/* Runs beside, on a thread of its own, until *is_over. May be NULL. */
	void (*disturb)(const struct load *load, atomic_bool *is_over);
	const char *conninfo;
};

#define LOAD_USERS_MAX 24

void load_run(const struct load *load);

#endif
