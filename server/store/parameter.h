#ifndef PEYK_SERVER_STORE_PARAMETER_H
#define PEYK_SERVER_STORE_PARAMETER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

/*
 * Parameters of statements in PostgreSQL's binary form: single values, and
 * one-dimensional arrays that grow element by element.
 */
enum parameter_type {
	PARAMETER_TYPE_INT8,
	PARAMETER_TYPE_INT4,
	PARAMETER_TYPE_BYTEA,
	PARAMETER_TYPE_TEXT,
	PARAMETER_TYPE_UUID,
};

struct parameter {
	struct buf data;
	enum parameter_type type;
	uint32_t count; /* elements of an array */
	bool is_array;
};

/* The most parameters that a statement has. */
#define PARAMETERS_MAX 10

/*
 * The parameters of one statement. Appending fails with STATUS_NOMEM alone
 * (the store bounds what goes into a batch), and is remembered: status tells
 * it at the end, so that rows can be appended without a check for each value.
 */
struct parameters {
	struct parameter values[PARAMETERS_MAX];
	size_t count;
	enum status status;
};

/*
 * One letter for each: q int8, i int4, b bytea, t text, u uuid; upper case is
 * an array of them. parameters_clear() ends it.
 */
void parameters_init(struct parameters *parameters, const char *types);
void parameters_clear(struct parameters *parameters);

/* Sets a value, or appends an element to an array. */
void parameters_int8(struct parameters *parameters, size_t index,
    int64_t value);
void parameters_int4(struct parameters *parameters, size_t index,
    int32_t value);
/* bytea, text, uuid. */
void parameters_bytes(struct parameters *parameters, size_t index,
    struct bytes value);
/* An element that is NULL. */
void parameters_null(struct parameters *parameters, size_t index);

/* Elements of an array parameter. */
size_t parameters_count(const struct parameters *parameters, size_t index);

/* What libpq wants. Borrowed, until the next change. */
struct parameters_view {
	const char *values[PARAMETERS_MAX];
	int sizes[PARAMETERS_MAX];
	int formats[PARAMETERS_MAX];
};

/* STATUS_NOMEM if an append failed. */
MUST_CHECK enum status parameters_view(struct parameters *parameters,
    struct parameters_view *out);

#endif
