#ifndef PEYK_SERVER_OPTIONS_H
#define PEYK_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/status.h"

/*
 * What the operator wants. Each option can stand on the command line
 * (--listen 0.0.0.0:8022), in the environment (PEYKD_LISTEN, or PEYK_LISTEN)
 * or in the one configuration file (listen = 0.0.0.0:8022); the first of
 * these that has it decides.
 *
 * The file is that of --config, else OPTIONS_CONFIG_DEFAULT where there is
 * one. Empty lines and lines that begin with # are skipped.
 */

#define OPTIONS_CONFIG_DEFAULT "/etc/peyk/peykd.conf"
#define OPTIONS_DATA_DEFAULT "/var/lib/peyk"
#define OPTIONS_DATABASE_DEFAULT "dbname=peyk"
#define OPTIONS_LISTEN_DEFAULT "0.0.0.0:8022"

/* Threads that serve: more than this gains nothing with one database. */
#define OPTIONS_WORKERS_MAX 64

/* Bytes of a configuration file. */
#define OPTIONS_CONFIG_SIZE_MAX ((size_t)64 << 10)

/* Commands that an option belongs to; add them up. */
enum options_command {
	OPTIONS_COMMAND_INIT = 1,
	OPTIONS_COMMAND_SERVE = 2,
	OPTIONS_COMMAND_MIGRATE = 4,
};

enum options_plaintext {
	OPTIONS_PLAINTEXT_NO,
	OPTIONS_PLAINTEXT_LOOPBACK, /* --plaintext */
	OPTIONS_PLAINTEXT_ANYWHERE, /* --plaintext=anywhere */
};

/* Strings are owned; read them, do not change them. */
struct options {
	char *data;            /* folder of identity and certificate */
	char *database;        /* libpq connection string */
	char *listen;          /* host:port as it was given */
	char *listen_host;     /* without brackets */
	uint16_t listen_port;  /* 0: any free one */
	char *advertise;       /* host in the printed address, or NULL */
	char *tls_certificate; /* PEM files; NULL: those in data */
	char *tls_key;
	enum options_plaintext plaintext;
	uint32_t workers; /* 0: one for each processor */
	bool migrate;
	bool is_registration_open;
	bool is_reflection_off;
	enum log_level log_level;
	int argument_count; /* what is no option; borrowed from argv */
	char **arguments;
};

/* Zeroes it; options_clear() is then a no-op. */
void options_init(struct options *options);

/*
 * Reads the three places. argv[0] is the first word after the command's name;
 * environment is as environ. On STATUS_INVALID problem holds a sentence that
 * names the place and what would be right, for a person; the exit code is
 * that of wrong usage. STATUS_NOMEM.
 */
MUST_CHECK enum status options_parse(struct options *options,
    enum options_command command, int argc, char **argv,
    char *const *environment, struct buf *problem);

void options_clear(struct options *options);

/* Prints a line or two about each option of the command. */
void options_print(FILE *out, enum options_command command);

/* Whether only this machine can reach the host: 127.0.0.0/8, ::1, localhost. */
bool options_host_is_loopback(const char *host);

/* Whether the host means every interface: 0.0.0.0 or ::. */
bool options_host_is_wildcard(const char *host);

#endif
