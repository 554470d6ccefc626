#ifndef BENCH_RPC_MEASURE_H
#define BENCH_RPC_MEASURE_H

/*
 * What all programs of this benchmark share, in C and in C++: the command
 * line, the payloads and their check, and the figures of a load generator.
 *
 * A wrong reply ends the program: what measures also proves.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

enum measure_kind {
	MEASURE_UNARY,
	MEASURE_DOWNLOAD, /* the server streams */
	MEASURE_UPLOAD,   /* the client streams */
	MEASURE_PINGPONG, /* both, one message at a time */
};

/* Buckets of the latencies: 64 for each power of two of nanoseconds. */
#define MEASURE_BUCKETS (64 * 60)

struct measure {
	/* From the command line. */
	const char *target;
	enum measure_kind kind;
	size_t size;            /* of a payload */
	unsigned outstanding;   /* calls, or streams, at any time */
	unsigned connections;   /* that they are spread over */
	unsigned stream_length; /* messages of one stream */
	unsigned batch;         /* of them share a write */
	uint64_t warmup_ns, duration_ns;
	uint64_t count_max; /* not 0: so many, and no warm-up */
	bool is_verifying;  /* each byte instead of the first eight */
	bool is_same;       /* C++: without retries, as ours */
	clockid_t server_clock;

	/* So far. */
	bool is_warm, is_over;
	uint64_t count; /* calls, or messages of streams */
	uint64_t began_ns, client_ns, server_ns; /* at its beginning ... */
	uint64_t buckets[MEASURE_BUCKETS];
};

/* Of a load generator; a wrong command line ends the program. */
void measure_init(struct measure *measure, int argc, char **argv);

uint64_t measure_now_ns(void);

/*
 * One call, or one message of a stream, is done that began at `started_ns` (0:
 * has no latency). Sets is_over at the end, after which nothing counts.
 */
void measure_add(struct measure *measure, uint64_t started_ns);

/* One line of JSON. */
void measure_print(const struct measure *measure);

/* ---- Payloads ---- */

/* The whole body; later ones differ in their number alone. */
void measure_fill(uint8_t *body, size_t size);
/* Numbers a body, in its first eight bytes, if it has so many. */
void measure_number(uint8_t *body, size_t size, uint64_t number);
void measure_check(const struct measure *measure, const void *body, size_t size,
    uint64_t number);
/* Whether the message of that number in a stream waits for the next one. The
   first does not: it goes with the headers. */
bool measure_is_corked(uint64_t number, unsigned batch);
/* Says what is wrong and ends the program. */
__attribute__((noreturn)) void measure_fail(const char *what);

/* ---- Servers ---- */

/* The one option of a server, --threads N. */
unsigned measure_server_threads(int argc, char **argv);
/* Prints the port, then waits until standard input ends. */
void measure_serve(int port);

#ifdef __cplusplus
}
#endif

#endif
