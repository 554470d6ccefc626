#include "server/store/sweep.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"

#define ID_SIZE 16

/* Bodies of a chunk, in the order of the key. */
struct chunk {
	struct {
		int64_t group_id;
		uint8_t id[ID_SIZE];
		bool is_wanted; /* somebody points to it */
	} bodies[SWEEP_CHUNK];
	size_t count;
};

static enum database_failure
look(struct pipeline *pipeline, const struct sweep *sweep, uint32_t age_ms,
    struct chunk *chunk)
{
	struct parameters parameters;
	enum database_failure failure;
	PGresult *result = NULL;

	parameters_init(&parameters,
	    statement_text(STATEMENT_SWEEP_LOOK)->types);
	parameters_int8(&parameters, 0, sweep->group_id);
	parameters_bytes(&parameters, 1, BYTES_OF(sweep->id));
	parameters_int8(&parameters, 2, SWEEP_CHUNK);
	parameters_int8(&parameters, 3, age_ms);
	failure = pipeline_send(pipeline, STATEMENT_SWEEP_LOOK, &parameters);
	parameters_clear(&parameters);
	if (failure != DATABASE_FAILURE_NONE ||
	    (failure = pipeline_flush(pipeline)) != DATABASE_FAILURE_NONE ||
	    (failure = pipeline_receive(pipeline, STATEMENT_SWEEP_LOOK,
		 &result)) != DATABASE_FAILURE_NONE)
		return failure;
	chunk->count = (size_t)PQntuples(result);
	assert(chunk->count <= SWEEP_CHUNK);
	for (int row = 0; (size_t)row < chunk->count; row++) {
		chunk->bodies[row].group_id = database_int8(result, row, 0);
		memcpy(chunk->bodies[row].id, PQgetvalue(result, row, 1),
		    ID_SIZE);
	}
	PQclear(result);
	return pipeline_end_stage(pipeline);
}

static enum database_failure
probe(struct pipeline *pipeline, struct chunk *chunk)
{
	enum database_failure failure = DATABASE_FAILURE_NONE;
	struct parameters parameters;

	parameters_init(&parameters,
	    statement_text(STATEMENT_SWEEP_PROBE)->types);
	for (size_t i = 0; i < chunk->count &&
	    failure == DATABASE_FAILURE_NONE; i++) {
		parameters_bytes(&parameters, 0,
		    BYTES_OF(chunk->bodies[i].id));
		failure = pipeline_send(pipeline, STATEMENT_SWEEP_PROBE,
		    &parameters);
	}
	parameters_clear(&parameters);
	if (failure != DATABASE_FAILURE_NONE ||
	    (failure = pipeline_flush(pipeline)) != DATABASE_FAILURE_NONE)
		return failure;
	for (size_t i = 0; i < chunk->count; i++) {
		PGresult *result = NULL;

		if ((failure = pipeline_receive(pipeline,
			 STATEMENT_SWEEP_PROBE, &result)) !=
		    DATABASE_FAILURE_NONE)
			return failure;
		chunk->bodies[i].is_wanted = PQntuples(result) > 0;
		PQclear(result);
	}
	return pipeline_end_stage(pipeline);
}

/* Those of one group, from one on that goes; next is the next group's. */
static enum database_failure
send_delete(struct pipeline *pipeline, const struct chunk *chunk, size_t first,
    size_t *next)
{
	struct parameters parameters;
	enum database_failure failure;
	size_t i;

	parameters_init(&parameters,
	    statement_text(STATEMENT_SWEEP_DELETE)->types);
	parameters_int8(&parameters, 0, chunk->bodies[first].group_id);
	for (i = first; i < chunk->count && chunk->bodies[i].group_id ==
	    chunk->bodies[first].group_id; i++) {
		if (!chunk->bodies[i].is_wanted)
			parameters_bytes(&parameters, 1,
			    BYTES_OF(chunk->bodies[i].id));
	}
	failure = pipeline_send(pipeline, STATEMENT_SWEEP_DELETE, &parameters);
	parameters_clear(&parameters);
	*next = i;
	return failure;
}

static enum database_failure
delete(struct pipeline *pipeline, const struct chunk *chunk)
{
	enum database_failure failure;
	size_t sent = 0, i = 0;

	while (i < chunk->count) {
		if (chunk->bodies[i].is_wanted) {
			i++;
			continue;
		}
		if ((failure = send_delete(pipeline, chunk, i, &i)) !=
		    DATABASE_FAILURE_NONE)
			return failure;
		sent++;
	}
	if (sent == 0)
		return DATABASE_FAILURE_NONE;
	if ((failure = pipeline_flush(pipeline)) != DATABASE_FAILURE_NONE)
		return failure;
	for (i = 0; i < sent; i++) {
		if ((failure = pipeline_receive(pipeline,
			 STATEMENT_SWEEP_DELETE, NULL)) !=
		    DATABASE_FAILURE_NONE)
			return failure;
	}
	return pipeline_end_stage(pipeline);
}

enum database_failure
sweep_step(struct sweep *sweep, struct pipeline *pipeline, uint32_t age_ms,
    bool *is_over)
{
	struct chunk chunk = { .count = 0 };
	enum database_failure failure;

	if ((failure = look(pipeline, sweep, age_ms, &chunk)) !=
	    DATABASE_FAILURE_NONE)
		return failure;
	if (chunk.count > 0 &&
	    ((failure = probe(pipeline, &chunk)) != DATABASE_FAILURE_NONE ||
		(failure = delete(pipeline, &chunk)) !=
		    DATABASE_FAILURE_NONE))
		return failure;
	*is_over = chunk.count < SWEEP_CHUNK;
	memset(sweep, 0, sizeof(*sweep));
	if (!*is_over) {
		sweep->group_id = chunk.bodies[chunk.count - 1].group_id;
		memcpy(sweep->id, chunk.bodies[chunk.count - 1].id, ID_SIZE);
	}
	return DATABASE_FAILURE_NONE;
}
