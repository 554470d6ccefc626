#include "server/tls_files.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/file.h"
#include "crypto/certificate.h"
#include "server/command.h"

/* Bytes of a PEM file: a chain of several certificates fits. */
#define PEM_SIZE_MAX ((size_t)256 << 10)

/* A certificate of yesterday is good for clocks that are behind. */
#define BACKDATED_S 86400

/* The sentence into problem; gives st back. */
static enum status __attribute__((format(printf, 3, 4)))
complain(enum status st, struct buf *problem, const char *format, ...)
{
	char *text = NULL;
	va_list arguments;
	enum status appended = STATUS_NOMEM;
	int size = 0;

	va_start(arguments, format);
	size = vasprintf(&text, format, arguments);
	va_end(arguments);
	buf_reset(problem);
	if (size >= 0) {
		appended = buf_append_string(problem, text);
		free(text);
	}
	return appended == STATUS_NOMEM ? STATUS_NOMEM : st;
}

static enum status
make_pem(
    const struct options *options, struct buf *certificate, struct buf *key)
{
	char host[256] = "";
	const char *names[6] = {"localhost", "127.0.0.1", "::1"};
	struct certificate_request request = {
	    .common_name = "peyk",
	    .names = names,
	    .name_count = 3,
	    .not_before_s = clock_wall_ms() / 1000 - BACKDATED_S,
	    .days = TLS_FILES_DAYS,
	};

	if (gethostname(host, sizeof(host) - 1) == 0 && host[0] != '\0')
		names[request.name_count++] = host;
	if (!options_host_is_wildcard(options->listen_host) &&
	    !options_host_is_loopback(options->listen_host))
		names[request.name_count++] = options->listen_host;
	if (options->advertise != NULL)
		names[request.name_count++] = options->advertise;
	return certificate_make(&request, certificate, key);
}

static bool
exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/*
 * The key first: a certificate without its key would be kept by the next init,
 * a key without its certificate is replaced.
 */
static enum status
make_files(const struct options *options, const char *certificate_path,
    const char *key_path, struct buf *problem)
{
	struct buf certificate, key;
	enum status st;

	buf_init(&certificate, PEM_SIZE_MAX);
	buf_init_secret(&key, PEM_SIZE_MAX);
	st = make_pem(options, &certificate, &key);
	if (st != STATUS_OK) {
		st = complain(st, problem,
		    "A TLS certificate cannot be made "
		    "for these names. Check --listen and --advertise, or give "
		    "one with --tls-certificate and --tls-key.");
		goto out;
	}
	st = file_write_atomic(key_path, buf_bytes(&key), 0600);
	crash_point("init.tls_key");
	if (st == STATUS_OK)
		st = file_write_atomic(
		    certificate_path, buf_bytes(&certificate), 0644);
	crash_point("init.tls_certificate");
	if (st != STATUS_OK)
		st = complain(st, problem,
		    "The TLS certificate cannot be "
		    "written to %s: %s. --data names the folder.",
		    options->data,
		    st == STATUS_IO ? strerror(errno)
				    : "the folder is not usable");
out:
	buf_clear(&certificate);
	buf_wipe(&key);
	return st;
}

enum status
tls_files_make(
    const struct options *options, bool *is_made, struct buf *problem)
{
	char *certificate = NULL, *key = NULL;
	enum status st = STATUS_OK;

	*is_made = false;
	if (options->tls_certificate != NULL)
		return STATUS_OK;
	certificate = command_path(options, TLS_FILES_CERTIFICATE);
	key = command_path(options, TLS_FILES_KEY);
	if (certificate == NULL || key == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	if (exists(certificate) && !exists(key)) {
		st = complain(STATUS_NOT_FOUND, problem,
		    "%s has lost its "
		    "key, %s. Restore the key, or delete the certificate and "
		    "run `peykd init` again.",
		    certificate, key);
		goto out;
	}
	if (exists(certificate))
		goto out;
	st = make_files(options, certificate, key, problem);
	*is_made = st == STATUS_OK;
out:
	free(certificate);
	free(key);
	return st;
}

static enum status
read_pem(const char *path, const char *what, const char *option,
    struct buf *out, const char **text, struct buf *problem)
{
	enum status st = file_read(path, out);

	if (st == STATUS_OK)
		st = buf_string(out, text);
	if (st == STATUS_OK || st == STATUS_NOMEM)
		return st;
	return complain(st, problem,
	    "The TLS %s %s cannot be read: %s. Run "
	    "`peykd init`, or name another with %s.",
	    what, path,
	    st == STATUS_IO          ? strerror(errno)
	    : st == STATUS_NOT_FOUND ? "there is none"
				     : "it is no PEM file",
	    option);
}

/* A group may read it, such as Debian's ssl-cert; everybody may not. */
static enum status
check_key_mode(const char *path, struct buf *problem)
{
	struct stat info;

	if (stat(path, &info) != 0 || (info.st_mode & S_IRWXO) == 0)
		return STATUS_OK;
	return complain(STATUS_DENIED, problem,
	    "Everybody on this machine can read the TLS key %s. Run `chmod "
	    "o-rwx %s`.",
	    path, path);
}

/* key_path NULL: without a key. */
static enum status
load(const char *certificate_path, const char *key_path, struct tls_files *out,
    struct buf *problem)
{
	enum status st;

	buf_init(&out->certificate, PEM_SIZE_MAX);
	buf_init_secret(&out->key, PEM_SIZE_MAX);
	if ((st = read_pem(certificate_path, "certificate", "--tls-certificate",
		 &out->certificate, &out->certificate_text, problem)) !=
		STATUS_OK ||
	    (key_path != NULL &&
		((st = read_pem(key_path, "key", "--tls-key", &out->key,
		      &out->key_text, problem)) != STATUS_OK ||
		    (st = check_key_mode(key_path, problem)) != STATUS_OK)))
		goto out;
	st = certificate_fingerprint(
	    buf_bytes(&out->certificate), &out->fingerprint);
	if (st != STATUS_OK)
		st = complain(st, problem,
		    "%s holds no certificate in PEM. "
		    "--tls-certificate names another.",
		    certificate_path);
out:
	if (st != STATUS_OK)
		tls_files_clear(out);
	return st;
}

enum status
tls_files_load(
    const struct options *options, struct tls_files *out, struct buf *problem)
{
	char *certificate = NULL, *key = NULL;
	enum status st = STATUS_NOMEM;

	if (options->tls_certificate != NULL)
		return load(
		    options->tls_certificate, options->tls_key, out, problem);
	certificate = command_path(options, TLS_FILES_CERTIFICATE);
	key = command_path(options, TLS_FILES_KEY);
	if (certificate != NULL && key != NULL)
		st = load(certificate, key, out, problem);
	free(certificate);
	free(key);
	return st;
}

enum status
tls_files_load_proxy(
    const struct options *options, struct tls_files *out, struct buf *problem)
{
	return load(options->tls_certificate, NULL, out, problem);
}

void
tls_files_clear(struct tls_files *files)
{
	buf_clear(&files->certificate);
	buf_wipe(&files->key);
	memset(files, 0, sizeof(*files));
}
