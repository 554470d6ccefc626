#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crash.h"
#include "base/file.h"
#include "channel/server_info.h"
#include "server/command.h"
#include "server/server_identity.h"
#include "server/store/migrate.h"
#include "server/tls_files.h"

static enum command_exit
make_folder(const struct options *options)
{
	enum status st = file_make_folder(options->data);

	crash_point("init.folder");
	if (st == STATUS_OK)
		return COMMAND_EXIT_DONE;
	return command_fail(COMMAND_EXIT_FAILED,
	    "The folder %s cannot be "
	    "used: %s. --data names another.",
	    options->data,
	    st == STATUS_IO        ? strerror(errno)
	    : st == STATUS_DENIED  ? "it belongs to another user, or others "
				     "may write to it"
	    : st == STATUS_INVALID ? "it is no folder"
	    : st == STATUS_NOT_FOUND
		? "it cannot be made there"
		: "the path is too long, or there is not enough memory");
}

static enum command_exit
make_identity(const char *path)
{
	struct server_identity *identity = NULL;
	char fingerprint[CHANNEL_FINGERPRINT_LENGTH + 1] = "";
	struct buf problem;
	enum command_exit code = COMMAND_EXIT_DONE;
	enum status st = server_identity_create(path);
	bool was_there = st == STATUS_EXISTS;

	crash_point("init.identity");
	buf_init(&problem, COMMAND_PROBLEM_MAX);
	if (st != STATUS_OK && st != STATUS_EXISTS) {
		code = command_fail(COMMAND_EXIT_FAILED,
		    "The server's "
		    "identity cannot be written to %s: %s.",
		    path,
		    st == STATUS_IO ? strerror(errno) : "a library failed");
		goto out;
	}
	if (server_identity_load(path, &identity, &problem) != STATUS_OK) {
		code = command_fail_with(COMMAND_EXIT_FAILED, &problem);
		goto out;
	}
	if (channel_fingerprint(&identity->key.public_key, fingerprint) !=
	    STATUS_OK) {
		code = command_fail(
		    COMMAND_EXIT_FAILED, "A cryptographic library failed.");
		goto out;
	}
	printf("identity     %s%s\n", path,
	    was_there ? " (was there already, and stays)" : "");
	printf("fingerprint  %s\n", fingerprint);
out:
	buf_clear(&problem);
	server_identity_free(identity);
	return code;
}

static enum command_exit
make_certificate(const struct options *options)
{
	struct tls_files files = {0};
	struct buf problem;
	bool is_made = false;
	enum command_exit code = COMMAND_EXIT_DONE;

	buf_init(&problem, COMMAND_PROBLEM_MAX);
	if (tls_files_make(options, &is_made, &problem) != STATUS_OK ||
	    tls_files_load(options, &files, &problem) != STATUS_OK) {
		code = command_fail_with(COMMAND_EXIT_FAILED, &problem);
		goto out;
	}
	if (options->tls_certificate != NULL)
		printf("certificate  %s (yours)\n", options->tls_certificate);
	else
		printf("certificate  %s/" TLS_FILES_CERTIFICATE "%s\n",
		    options->data,
		    is_made ? "" : " (was there already, and stays)");
out:
	buf_clear(&problem);
	tls_files_clear(&files);
	return code;
}

/* The schema is not needed yet; a connection is. */
static enum command_exit
check_database(const struct options *options)
{
	struct migrate_options migrate = {.conninfo = options->database};
	enum migrate_schema schema = MIGRATE_SCHEMA_CURRENT;
	struct buf problem;
	enum command_exit code = COMMAND_EXIT_DONE;
	enum status st;

	if (options->migrate) {
		code = command_migrate_up(options, stdout);
		if (code == COMMAND_EXIT_DONE)
			printf("database     reachable, schema up to date\n");
		return code;
	}
	buf_init(&problem, COMMAND_PROBLEM_MAX);
	st = migrate_check(&migrate, &schema, &problem);
	if (st != STATUS_OK)
		code = command_fail_database(st, &problem);
	else
		printf("database     reachable, schema %s\n",
		    schema == MIGRATE_SCHEMA_CURRENT ? "up to date"
		    : schema == MIGRATE_SCHEMA_OLDER
			? "missing or older: run `peykd migrate up`"
			: "newer than this peykd: update peykd");
	buf_clear(&problem);
	return code;
}

enum command_exit
cmd_init(const struct options *options)
{
	char *path = command_path(options, SERVER_IDENTITY_FILE);
	enum command_exit code = COMMAND_EXIT_FAILED;

	if (path == NULL)
		return command_fail(code, "There is not enough memory.");
	if ((code = make_folder(options)) != COMMAND_EXIT_DONE ||
	    (code = make_identity(path)) != COMMAND_EXIT_DONE ||
	    (code = make_certificate(options)) != COMMAND_EXIT_DONE)
		goto out;
	if ((code = check_database(options)) != COMMAND_EXIT_DONE) {
		fprintf(stderr,
		    "peykd: The identity and the certificate are "
		    "made. Run `peykd init` again when the database can be "
		    "reached.\n");
		goto out;
	}
	printf("Keep a copy of %s in a safe place: without it this would be "
	       "another server to its users.\n",
	    path);
out:
	free(path);
	return code;
}
