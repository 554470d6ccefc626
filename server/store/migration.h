#ifndef PEYK_SERVER_STORE_MIGRATION_H
#define PEYK_SERVER_STORE_MIGRATION_H

#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

/*
 * Migration files in dbmate's format:
 *
 *	-- migrate:up
 *	CREATE TABLE ...;
 *
 *	-- migrate:down
 *	DROP TABLE ...;
 *
 * Before the first marker only comments and empty lines may stand. Both
 * blocks are needed. dbmate's options after a marker (transaction:false) are
 * refused: here a step is always one transaction.
 */
struct migration {
	const char *version; /* the digits that the file's name begins with */
	const char *name;    /* the file's name */
	struct bytes text;   /* the whole file */
};

/* The two blocks of a file; they point into its text. */
struct migration_blocks {
	struct bytes up;
	struct bytes down;
};

/* Digits of a version. */
#define MIGRATION_VERSION_MAX 32

/*
 * STATUS_INVALID if the text does not have this form; problem (if not NULL)
 * then names file, line and what is wrong.
 */
MUST_CHECK enum status migration_parse(const struct migration *migration,
    struct migration_blocks *out, struct buf *problem);

/* db/migrations/ as it was when the program was built, in order. Static. */
void migration_embedded(const struct migration **migrations, size_t *count);

#endif
