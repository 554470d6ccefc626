#ifndef PEYK_SERVER_STORE_MIGRATE_H
#define PEYK_SERVER_STORE_MIGRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "server/store/migration.h"

/*
 * Brings the database's schema to a version that the program knows. Applied
 * versions stand in schema_migrations(version), as dbmate keeps them, so that
 * dbmate itself can be used on db/migrations/ too.
 *
 * Each step is one transaction, with the row in schema_migrations; one process
 * at a time, by an advisory lock. Whatever kills it, the database is at a
 * version. The advisory lock needs a session: connect to PostgreSQL itself, or
 * to a pooler in session mode.
 *
 * Functions block. On failure problem (if not NULL) gets a sentence for a
 * person. STATUS_UNAVAILABLE: not reachable, or lost on the way. STATUS_BUSY:
 * another process holds the lock for longer than wait_ms, or a table is in use
 * for longer than the lock timeout. STATUS_INVALID: a migration is wrong, or
 * the database refuses it. STATUS_STALE: the database has versions that this
 * program does not know. STATUS_NOMEM.
 */
struct migrate_options {
	const char *conninfo;
	/* NULL: those that the program carries (migration_embedded()). */
	const struct migration *migrations;
	size_t migration_count;
	uint32_t lock_timeout_ms; /* for a table; 0: 5000 */
	uint32_t wait_ms;         /* for another process; 0: 60000 */
	/* Called after each step; may be NULL. */
	void (*report)(void *context, const struct migration *migration,
	    bool is_up);
	void *context;
};

/* Applies what is missing, in order. Nothing missing is STATUS_OK. */
MUST_CHECK enum status migrate_up(const struct migrate_options *options,
    struct buf *problem);

/* Takes the newest applied one back; STATUS_NOT_FOUND if there is none. */
MUST_CHECK enum status migrate_down(const struct migrate_options *options,
    struct buf *problem);

/*
 * Calls row for every known and every applied version, in order of versions.
 * name is "" for one that the program does not know.
 */
MUST_CHECK enum status migrate_status(const struct migrate_options *options,
    void (*row)(void *context, const char *version, const char *name,
	bool is_applied),
    struct buf *problem);

enum migrate_schema {
	MIGRATE_SCHEMA_CURRENT,
	MIGRATE_SCHEMA_OLDER, /* migrations are missing: migrate up */
	MIGRATE_SCHEMA_NEWER, /* applied ones are unknown: update the program */
};

/* How the schema stands to the program; changes nothing. */
MUST_CHECK enum status migrate_check(const struct migrate_options *options,
    enum migrate_schema *out, struct buf *problem);

#endif
