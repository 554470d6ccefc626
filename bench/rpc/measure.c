#include "measure.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const kind_names[] = {
    [MEASURE_UNARY] = "unary",
    [MEASURE_DOWNLOAD] = "download",
    [MEASURE_UPLOAD] = "upload",
    [MEASURE_PINGPONG] = "pingpong",
};

#define KIND_COUNT (sizeof(kind_names) / sizeof(kind_names[0]))

void
measure_fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

/* ---- The command line ---- */

static const struct option options[] = {
    {"target", required_argument, NULL, 't'},
    {"kind", required_argument, NULL, 'k'},
    {"size", required_argument, NULL, 's'},
    {"outstanding", required_argument, NULL, 'o'},
    {"connections", required_argument, NULL, 'c'},
    {"length", required_argument, NULL, 'l'},
    {"batch", required_argument, NULL, 'b'},
    {"warmup-ms", required_argument, NULL, 'w'},
    {"duration-ms", required_argument, NULL, 'd'},
    {"count", required_argument, NULL, 'n'},
    {"server-pid", required_argument, NULL, 'p'},
    {"verify", no_argument, NULL, 'v'},
    {"same", no_argument, NULL, 'S'},
    {NULL, 0, NULL, 0},
};

static uint64_t
number_of(const char *text)
{
	char *end;
	unsigned long long number = strtoull(text, &end, 10);

	if (end == text || *end != '\0')
		measure_fail("not a number");
	return number;
}

static enum measure_kind
kind_of(const char *name)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (strcmp(kind_names[i], name) == 0)
			return (enum measure_kind)i;
	measure_fail("unknown kind");
}

static void
set_option(struct measure *measure, int option)
{
	switch (option) {
	case 't':
		measure->target = optarg;
		break;
	case 'k':
		measure->kind = kind_of(optarg);
		break;
	case 's':
		measure->size = number_of(optarg);
		break;
	case 'o':
		measure->outstanding = (unsigned)number_of(optarg);
		break;
	case 'c':
		measure->connections = (unsigned)number_of(optarg);
		break;
	case 'l':
		measure->stream_length = (unsigned)number_of(optarg);
		break;
	case 'b':
		measure->batch = (unsigned)number_of(optarg);
		break;
	case 'w':
		measure->warmup_ns = number_of(optarg) * 1000000;
		break;
	case 'd':
		measure->duration_ns = number_of(optarg) * 1000000;
		break;
	case 'n':
		measure->count_max = number_of(optarg);
		break;
	case 'p':
		if (clock_getcpuclockid(
			(pid_t)number_of(optarg), &measure->server_clock) != 0)
			measure_fail("no such server");
		break;
	case 'v':
		measure->is_verifying = true;
		break;
	case 'S':
		measure->is_same = true;
		break;
	default:
		exit(2);
	}
}

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec now = {0};

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t
measure_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void
begin(struct measure *measure)
{
	measure->is_warm = true;
	measure->count = 0;
	memset(measure->buckets, 0, sizeof(measure->buckets));
	measure->client_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	measure->server_ns = clock_ns(measure->server_clock);
	measure->began_ns = measure_now_ns();
}

void
measure_init(struct measure *measure, int argc, char **argv)
{
	int option;

	memset(measure, 0, sizeof(*measure));
	measure->outstanding = measure->connections = measure->batch = 1;
	measure->stream_length = 1000;
	measure->server_clock = CLOCK_PROCESS_CPUTIME_ID;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(measure, option);
	if (measure->target == NULL || measure->outstanding == 0 ||
	    measure->connections == 0 || measure->stream_length == 0 ||
	    measure->batch == 0)
		measure_fail("--target is missing, or a number is 0");
	begin(measure);
	measure->is_warm = measure->count_max > 0;
}

/* ---- Figures ---- */

static size_t
bucket_of(uint64_t ns)
{
	unsigned power;
	size_t bucket;

	if (ns < 64)
		return ns;
	power = 63u - (unsigned)__builtin_clzll(ns);
	bucket = (power - 5) * 64 + (size_t)((ns >> (power - 6)) & 63);
	return bucket < MEASURE_BUCKETS ? bucket : MEASURE_BUCKETS - 1;
}

static double
bucket_us(size_t bucket)
{
	if (bucket < 64)
		return (double)bucket / 1e3;
	return (double)((uint64_t)(64 + bucket % 64) << (bucket / 64 - 1)) /
	       1e3;
}

static double
percentile_us(const struct measure *measure, double part)
{
	uint64_t total = 0, seen = 0;

	for (size_t i = 0; i < MEASURE_BUCKETS; i++)
		total += measure->buckets[i];
	for (size_t i = 0; i < MEASURE_BUCKETS; i++) {
		seen += measure->buckets[i];
		if (seen > 0 && (double)seen >= part * (double)total)
			return bucket_us(i);
	}
	return 0;
}

static void
end(struct measure *measure)
{
	measure->is_over = true;
	measure->began_ns = measure_now_ns() - measure->began_ns;
	measure->client_ns =
	    clock_ns(CLOCK_PROCESS_CPUTIME_ID) - measure->client_ns;
	measure->server_ns =
	    clock_ns(measure->server_clock) - measure->server_ns;
}

void
measure_add(struct measure *measure, uint64_t started_ns)
{
	uint64_t now = measure_now_ns();

	if (measure->is_over)
		return;
	measure->count++;
	if (started_ns != 0)
		measure->buckets[bucket_of(now - started_ns)]++;
	if (measure->count_max > 0) {
		if (measure->count >= measure->count_max)
			end(measure);
	} else if (!measure->is_warm) {
		if (now - measure->began_ns >= measure->warmup_ns)
			begin(measure);
	} else if (now - measure->began_ns >= measure->duration_ns) {
		end(measure);
	}
}

void
measure_print(const struct measure *measure)
{
	double count = (double)measure->count;

	printf("{\"kind\": \"%s\", \"size\": %zu, \"outstanding\": %u, "
	       "\"connections\": %u, \"batch\": %u, \"count\": %" PRIu64 ", "
	       "\"seconds\": %.4f, \"per_second\": %.1f, "
	       "\"client_us\": %.3f, \"server_us\": %.3f, "
	       "\"p50_us\": %.2f, \"p99_us\": %.2f}\n",
	    kind_names[measure->kind], measure->size, measure->outstanding,
	    measure->connections, measure->batch, measure->count,
	    (double)measure->began_ns / 1e9,
	    count * 1e9 / (double)measure->began_ns,
	    (double)measure->client_ns / 1e3 / count,
	    (double)measure->server_ns / 1e3 / count,
	    percentile_us(measure, 0.5), percentile_us(measure, 0.99));
}

/* ---- Payloads ---- */

static uint8_t
pattern_at(size_t index)
{
	return (uint8_t)(index * 7 + index / 251);
}

void
measure_fill(uint8_t *body, size_t size)
{
	for (size_t i = 0; i < size; i++)
		body[i] = pattern_at(i);
}

void
measure_number(uint8_t *body, size_t size, uint64_t number)
{
	if (size >= sizeof(number))
		memcpy(body, &number, sizeof(number));
}

void
measure_check(const struct measure *measure, const void *body, size_t size,
    uint64_t number)
{
	const uint8_t *bytes = body;

	if (size != measure->size)
		measure_fail("a payload has the wrong size");
	if (size >= sizeof(number) &&
	    memcmp(bytes, &number, sizeof(number)) != 0)
		measure_fail("a payload is another one's");
	if (!measure->is_verifying)
		return;
	for (size_t i = sizeof(number); i < size; i++)
		if (bytes[i] != pattern_at(i))
			measure_fail("a payload is damaged");
}

bool
measure_is_corked(uint64_t number, unsigned batch)
{
	return number > 0 && number % batch != batch - 1;
}

/* ---- Servers ---- */

unsigned
measure_server_threads(int argc, char **argv)
{
	if (argc == 1)
		return 1;
	if (argc != 3 || strcmp(argv[1], "--threads") != 0 ||
	    number_of(argv[2]) == 0)
		measure_fail("usage: SERVER [--threads N]");
	return (unsigned)number_of(argv[2]);
}

void
measure_serve(int port)
{
	char byte;

	printf("%d\n", port);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}
