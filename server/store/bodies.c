#include "server/store/bodies.h"

#include <stdlib.h>
#include <string.h>

#define ID_SIZE 16

void
bodies_clear(struct bodies *bodies)
{
	for (size_t i = 0; i < bodies->result_count; i++)
		PQclear(bodies->results[i]);
	free(bodies->results);
	free(bodies->all);
	memset(bodies, 0, sizeof(*bodies));
}

enum status
bodies_want(struct bodies *bodies, int64_t group_id, const uint8_t id[16])
{
	struct body *body;

	if (bodies->count == bodies->capacity) {
		size_t capacity = 2 * bodies->capacity + 16;
		struct body *grown = realloc(bodies->all,
		    capacity * sizeof(*grown));

		if (grown == NULL)
			return STATUS_NOMEM;
		bodies->all = grown;
		bodies->capacity = capacity;
	}
	body = &bodies->all[bodies->count++];
	body->group_id = group_id;
	memcpy(body->id, id, ID_SIZE);
	body->bytes = bytes_empty();
	return STATUS_OK;
}

static int
compare_bodies(const void *a, const void *b)
{
	const struct body *x = a, *y = b;

	if (x->group_id != y->group_id)
		return x->group_id < y->group_id ? -1 : 1;
	return memcmp(x->id, y->id, ID_SIZE);
}

void
bodies_sort(struct bodies *bodies)
{
	size_t kept = 0;

	if (bodies->count == 0)
		return;
	qsort(bodies->all, bodies->count, sizeof(*bodies->all),
	    compare_bodies);
	for (size_t i = 1; i < bodies->count; i++) {
		if (compare_bodies(&bodies->all[kept], &bodies->all[i]) != 0)
			bodies->all[++kept] = bodies->all[i];
	}
	bodies->count = kept + 1;
}

size_t
bodies_run(const struct bodies *bodies, size_t first)
{
	size_t end = first;

	while (end < bodies->count &&
	    bodies->all[end].group_id == bodies->all[first].group_id)
		end++;
	return end - first;
}

static struct body *
find(const struct bodies *bodies, int64_t group_id, const uint8_t id[16])
{
	struct body key = { .group_id = group_id };

	if (bodies->count == 0)
		return NULL;
	memcpy(key.id, id, ID_SIZE);
	return bsearch(&key, bodies->all, bodies->count, sizeof(key),
	    compare_bodies);
}

enum status
bodies_add_take(struct bodies *bodies, int64_t group_id, PGresult *result)
{
	PGresult **grown = realloc(bodies->results,
	    (bodies->result_count + 1) * sizeof(PGresult *));

	if (grown == NULL) {
		PQclear(result);
		return STATUS_NOMEM;
	}
	bodies->results = grown;
	bodies->results[bodies->result_count++] = result;
	for (int row = 0; row < PQntuples(result); row++) {
		struct body *body = find(bodies, group_id,
		    (const uint8_t *)PQgetvalue(result, row, 0));

		if (body != NULL)
			body->bytes = bytes_make(PQgetvalue(result, row, 1),
			    (size_t)PQgetlength(result, row, 1));
	}
	return STATUS_OK;
}

struct bytes
bodies_find(const struct bodies *bodies, int64_t group_id,
    const uint8_t id[16])
{
	const struct body *body = find(bodies, group_id, id);

	return body != NULL ? body->bytes : bytes_empty();
}
