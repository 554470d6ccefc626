#include "server/options.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "channel/address.h"

/* Longest name of an option or of a variable made from it. */
#define NAME_SIZE_MAX_BYTES 64

/* Longest value: a connection string with several hosts fits easily. */
#define VALUE_SIZE_MAX 4096

struct option_spec {
	const char *name;  /* "tls-key": --tls-key, PEYKD_TLS_KEY, tls-key = */
	const char *value; /* what the help calls its value */
	const char
	    *bare; /* the value of the option alone, or NULL: needs one */
	unsigned commands;
	bool (*set)(struct options *options, const char *value);
	const char *expected; /* "must be ..." */
	const char *help;
};

/* Where a value came from, for the sentence that refuses it. */
struct origin {
	const char *value;
	const char *place; /* "", "PEYKD_" or the path of the file */
	size_t line;
};

static bool
take_string(char **field, const char *value)
{
	char *copy = NULL;

	if (value[0] == '\0' || strlen(value) > VALUE_SIZE_MAX)
		return false;
	if ((copy = strdup(value)) == NULL)
		return false;
	free(*field);
	*field = copy;
	return true;
}

static bool
set_data(struct options *options, const char *value)
{
	return take_string(&options->data, value);
}

static bool
set_database(struct options *options, const char *value)
{
	return take_string(&options->database, value);
}

static bool
parse_number(const char *text, unsigned long most, unsigned long *out)
{
	unsigned long number = 0;
	char *end = NULL;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || number > most)
		return false;
	*out = number;
	return true;
}

/* Whether users can be told an address with this host, without brackets. */
static bool
is_host(const char *host, size_t size)
{
	struct channel_address address;
	char text[CHANNEL_HOST_MAX + 3] = "";
	bool is_ipv6 = memchr(host, ':', size) != NULL;

	if (size > CHANNEL_HOST_MAX)
		return false;
	(void)snprintf(text, sizeof(text), is_ipv6 ? "[%.*s]" : "%.*s",
	    (int)size, host);
	return channel_address_parse(bytes_from_string(text), &address) ==
		   STATUS_OK &&
	       !address.has_fingerprint;
}

/* The same, or an IPv6 address with a zone, which is of this machine alone. */
static bool
is_listen_host(const char *host, bool is_bracketed)
{
	size_t size = strcspn(host, "%");
	const char *zone = host + size;

	if (is_bracketed != (memchr(host, ':', size) != NULL))
		return false;
	if (*zone != '\0' && (!is_bracketed || zone[1] == '\0'))
		return false;
	for (; *zone != '\0'; zone++)
		if (!isalnum((unsigned char)*zone) &&
		    strchr("%-._", *zone) == NULL)
			return false;
	return is_host(host, size);
}

/* host:port, [address]:port; the port may be left out. */
static bool
set_listen(struct options *options, const char *value)
{
	const char *host = value, *end = NULL, *port = NULL;
	unsigned long number = 8022;
	char *copy = NULL;

	if (value[0] == '[') {
		host = value + 1;
		if ((end = strchr(host, ']')) == NULL)
			return false;
		if (end[1] == ':')
			port = end + 2;
		else if (end[1] != '\0')
			return false;
	} else if ((end = strchr(value, ':')) != NULL) {
		port = end + 1;
		if (strchr(port, ':') != NULL)
			return false; /* IPv6 without brackets */
	} else {
		end = value + strlen(value);
	}
	if (end == host || end - host > 255)
		return false;
	if (port != NULL && !parse_number(port, UINT16_MAX, &number))
		return false;
	if ((copy = strndup(host, (size_t)(end - host))) == NULL)
		return false;
	if (!is_listen_host(copy, value[0] == '[') ||
	    !take_string(&options->listen, value)) {
		free(copy);
		return false;
	}
	free(options->listen_host);
	options->listen_host = copy;
	options->listen_port = (uint16_t)number;
	return true;
}

static bool
set_advertise(struct options *options, const char *value)
{
	if (!is_host(value, strlen(value)))
		return false;
	return take_string(&options->advertise, value);
}

static bool
set_tls_certificate(struct options *options, const char *value)
{
	return take_string(&options->tls_certificate, value);
}

static bool
set_tls_key(struct options *options, const char *value)
{
	return take_string(&options->tls_key, value);
}

static bool
parse_flag(const char *value, bool *out)
{
	if (strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 ||
	    strcmp(value, "1") == 0)
		*out = true;
	else if (strcmp(value, "no") == 0 || strcmp(value, "false") == 0 ||
		 strcmp(value, "0") == 0)
		*out = false;
	else
		return false;
	return true;
}

static bool
set_plaintext(struct options *options, const char *value)
{
	bool is_on = false;

	if (strcmp(value, "anywhere") == 0) {
		options->plaintext = OPTIONS_PLAINTEXT_ANYWHERE;
		return true;
	}
	if (strcmp(value, "loopback") == 0)
		is_on = true;
	else if (!parse_flag(value, &is_on))
		return false;
	options->plaintext =
	    is_on ? OPTIONS_PLAINTEXT_LOOPBACK : OPTIONS_PLAINTEXT_NO;
	return true;
}

static bool
set_workers(struct options *options, const char *value)
{
	unsigned long number = 0;

	if (!parse_number(value, OPTIONS_WORKERS_MAX, &number) || number == 0)
		return false;
	options->workers = (uint32_t)number;
	return true;
}

static bool
set_migrate(struct options *options, const char *value)
{
	return parse_flag(value, &options->migrate);
}

static bool
set_registration(struct options *options, const char *value)
{
	if (strcmp(value, "open") == 0)
		options->is_registration_open = true;
	else if (strcmp(value, "closed") == 0)
		options->is_registration_open = false;
	else
		return false;
	return true;
}

static bool
set_reflection(struct options *options, const char *value)
{
	if (strcmp(value, "on") == 0)
		options->is_reflection_off = false;
	else if (strcmp(value, "off") == 0)
		options->is_reflection_off = true;
	else
		return false;
	return true;
}

static bool
set_log_level(struct options *options, const char *value)
{
	return log_level_parse(value, &options->log_level) == STATUS_OK;
}

#define INIT OPTIONS_COMMAND_INIT
#define SERVE OPTIONS_COMMAND_SERVE
#define MIGRATE OPTIONS_COMMAND_MIGRATE

static const struct option_spec specs[] = {
    {"data", "FOLDER", NULL, INIT | SERVE | MIGRATE, set_data,
	"a folder's path",
	"the server's identity and certificate (" OPTIONS_DATA_DEFAULT ")"},
    {"database", "CONNINFO", NULL, INIT | SERVE | MIGRATE, set_database,
	"a libpq connection string such as \"host=/run/postgresql "
	"dbname=peyk\"",
	"PostgreSQL, as libpq connects to it (" OPTIONS_DATABASE_DEFAULT ")"},
    {"listen", "HOST:PORT", NULL, INIT | SERVE, set_listen,
	"HOST:PORT, such as 0.0.0.0:8022 or [::]:8022",
	"where to listen (" OPTIONS_LISTEN_DEFAULT ")"},
    {"advertise", "HOST", NULL, INIT | SERVE, set_advertise,
	"a host name or an address",
	"host in the address that users are given (that of --listen,\n"
	"or localhost if that means every interface)"},
    {"tls-certificate", "FILE", NULL, INIT | SERVE, set_tls_certificate,
	"the path of a PEM file",
	"certificate chain, PEM (server.crt in the data folder)\n"
	"With --plaintext: that of the proxy that does TLS; users' programs\n"
	"talk to no other"},
    {"tls-key", "FILE", NULL, INIT | SERVE, set_tls_key,
	"the path of a PEM file",
	"its private key, PEM (server.key in the data folder)"},
    {"plaintext", "anywhere", "yes", SERVE, set_plaintext,
	"yes, no or anywhere",
	"no TLS: on loopback, or =anywhere behind a proxy. Requests and\n"
	"replies are sealed in any case"},
    {"workers", "N", NULL, SERVE, set_workers, "a number from 1 to 64",
	"serving threads (one for each processor)"},
    {"registration", "open|closed", NULL, SERVE, set_registration,
	"open or closed", "whether anyone may sign up (open)"},
    {"reflection", "on|off", NULL, SERVE, set_reflection, "on or off",
	"whether tools such as grpcurl are told what the server serves (on)"},
    {"migrate", "yes|no", "yes", INIT | SERVE, set_migrate, "yes or no",
	"bring the database's schema up to date first"},
    {"log-level", "LEVEL", NULL, INIT | SERVE | MIGRATE, set_log_level,
	"debug, info, warning or error",
	"debug, info, warning or error (info)"},
    /* Read before the others, in find_config(). */
    {"config", "FILE", NULL, INIT | SERVE | MIGRATE, NULL, "the path of a file",
	"configuration file (" OPTIONS_CONFIG_DEFAULT ")"},
};

#undef INIT
#undef SERVE
#undef MIGRATE

#define SPEC_COUNT (sizeof(specs) / sizeof(specs[0]))
#define SPEC_CONFIG (SPEC_COUNT - 1)

/* name has size bytes. SPEC_COUNT if there is none. */
static size_t
spec_find(const char *name, size_t size)
{
	size_t i = 0;

	for (i = 0; i < SPEC_COUNT; i++) {
		if (strlen(specs[i].name) == size &&
		    strncmp(specs[i].name, name, size) == 0)
			break;
	}
	return i;
}

/* A sentence into problem, and STATUS_INVALID. */
static enum status __attribute__((format(printf, 2, 3)))
refuse(struct buf *problem, const char *format, ...)
{
	char text[1024] = "";
	va_list arguments;
	enum status st;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	buf_reset(problem);
	st = buf_append_string(problem, text);
	return st == STATUS_OK ? STATUS_INVALID : st;
}

void
options_init(struct options *options)
{
	memset(options, 0, sizeof(*options));
}

void
options_clear(struct options *options)
{
	free(options->data);
	free(options->database);
	free(options->listen);
	free(options->listen_host);
	free(options->advertise);
	free(options->tls_certificate);
	free(options->tls_key);
	memset(options, 0, sizeof(*options));
}

/* Sorts argv into options and arguments. */
static enum status
read_arguments(enum options_command command, int argc, char **argv,
    struct options *options, struct origin *origins, struct buf *problem)
{
	bool is_over = false;
	int kept = 0;

	for (int i = 0; i < argc; i++) {
		const char *word = argv[i], *value = NULL;
		size_t size = 0, at = 0;

		if (is_over || word[0] != '-' || word[1] == '\0') {
			argv[kept++] = argv[i];
			continue;
		}
		if (strcmp(word, "--") == 0) {
			is_over = true;
			continue;
		}
		if (word[1] != '-')
			return refuse(problem, "There is no option %s.", word);
		word += 2;
		size = strcspn(word, "=");
		at = spec_find(word, size);
		if (at == SPEC_COUNT || (specs[at].commands & command) == 0)
			return refuse(problem,
			    "There is no option --%.*s "
			    "here.",
			    (int)size, word);
		if (word[size] == '=')
			value = word + size + 1;
		else if (specs[at].bare != NULL)
			value = specs[at].bare;
		else if (i + 1 < argc)
			value = argv[++i];
		else
			return refuse(problem, "--%s needs a value: --%s %s.",
			    specs[at].name, specs[at].name, specs[at].value);
		origins[at] = (struct origin){.value = value, .place = ""};
	}
	options->arguments = argv;
	options->argument_count = kept;
	return STATUS_OK;
}

static const char *
environment_find(
    char *const *environment, const char *prefix, const char *option)
{
	char name[NAME_SIZE_MAX_BYTES] = "";
	size_t size = 0;

	(void)snprintf(name, sizeof(name), "%s%s", prefix, option);
	for (char *at = name; *at != '\0'; at++)
		*at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
	size = strlen(name);
	for (; environment != NULL && *environment != NULL; environment++) {
		if (strncmp(*environment, name, size) == 0 &&
		    (*environment)[size] == '=')
			return *environment + size + 1;
	}
	return NULL;
}

static void
read_environment(char *const *environment, struct origin *origins)
{
	static const char *const prefixes[] = {"PEYKD_", "PEYK_"};

	for (size_t i = 0; i < SPEC_COUNT; i++) {
		for (size_t p = 0; p < 2 && origins[i].value == NULL; p++) {
			const char *value = environment_find(
			    environment, prefixes[p], specs[i].name);

			if (value != NULL)
				origins[i] = (struct origin){
				    .value = value, .place = prefixes[p]};
		}
	}
}

/* Cuts white space off both ends. */
static char *
trim(char *text)
{
	size_t size = 0;

	while (isspace((unsigned char)*text))
		text++;
	size = strlen(text);
	while (size > 0 && isspace((unsigned char)text[size - 1]))
		text[--size] = '\0';
	return text;
}

/* text is the file's content and is cut into the values. */
static enum status
read_config(
    const char *path, char *text, struct origin *origins, struct buf *problem)
{
	size_t number = 0;
	char *line = NULL;

	while ((line = strsep(&text, "\n")) != NULL) {
		char *name = trim(line), *value = NULL;
		size_t at = 0;

		number++;
		if (name[0] == '\0' || name[0] == '#')
			continue;
		if ((value = strchr(name, '=')) == NULL)
			return refuse(problem,
			    "%s, line %zu: expected "
			    "\"name = value\".",
			    path, number);
		*value++ = '\0';
		name = trim(name);
		value = trim(value);
		at = spec_find(name, strlen(name));
		if (at >= SPEC_CONFIG)
			return refuse(problem,
			    "%s, line %zu: there is no "
			    "setting \"%s\".",
			    path, number, name);
		if (origins[at].value == NULL)
			origins[at] = (struct origin){
			    .value = value, .place = path, .line = number};
	}
	return STATUS_OK;
}

/* The content is kept in config: origins point into it. */
static enum status
find_config(struct origin *origins, struct buf *config, struct buf *problem)
{
	bool is_asked = origins[SPEC_CONFIG].value != NULL;
	const char *path =
	    is_asked ? origins[SPEC_CONFIG].value : OPTIONS_CONFIG_DEFAULT;
	const char *text = NULL;
	enum status st = file_read(path, config);

	if (st == STATUS_NOT_FOUND && !is_asked)
		return STATUS_OK;
	if (st == STATUS_NOMEM)
		return st;
	if (st == STATUS_TOO_LARGE)
		return refuse(problem,
		    "%s is larger than %zu bytes; --config "
		    "names another file.",
		    path, OPTIONS_CONFIG_SIZE_MAX);
	if (st != STATUS_OK)
		return refuse(problem,
		    "The configuration file %s cannot be "
		    "read (%s); --config names another one.",
		    path,
		    st == STATUS_IO          ? strerror(errno)
		    : st == STATUS_NOT_FOUND ? "there is none"
					     : "it is no file");
	if ((st = buf_string(config, &text)) != STATUS_OK)
		return st == STATUS_INVALID ? refuse(problem,
						  "%s is no text "
						  "file.",
						  path)
					    : st;
	return read_config(path, (char *)config->data, origins, problem);
}

static enum status
refuse_value(const struct option_spec *spec, const struct origin *origin,
    struct buf *problem)
{
	char where[NAME_SIZE_MAX_BYTES] = "";

	if (origin->line > 0)
		return refuse(problem,
		    "%s, line %zu: %s must be %s, not "
		    "\"%s\".",
		    origin->place, origin->line, spec->name, spec->expected,
		    origin->value);
	if (origin->place[0] == '\0')
		return refuse(problem, "--%s must be %s, not \"%s\".",
		    spec->name, spec->expected, origin->value);
	(void)snprintf(where, sizeof(where), "%s%s", origin->place, spec->name);
	for (char *at = where; *at != '\0'; at++)
		*at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
	return refuse(problem,
	    "%s in the environment must be %s, not "
	    "\"%s\".",
	    where, spec->expected, origin->value);
}

static enum status
set_defaults(struct options *options)
{
	options->is_registration_open = true;
	options->log_level = LOG_LEVEL_INFO;
	if (!set_data(options, OPTIONS_DATA_DEFAULT) ||
	    !set_database(options, OPTIONS_DATABASE_DEFAULT) ||
	    !set_listen(options, OPTIONS_LISTEN_DEFAULT))
		return STATUS_NOMEM;
	return STATUS_OK;
}

enum status
options_parse(struct options *options, enum options_command command, int argc,
    char **argv, char *const *environment, struct buf *problem)
{
	struct origin origins[SPEC_COUNT] = {0};
	struct options parsed;
	struct buf config = {0};
	enum status st;

	options_init(&parsed);
	buf_init(&config, OPTIONS_CONFIG_SIZE_MAX);
	if ((st = set_defaults(&parsed)) != STATUS_OK ||
	    (st = read_arguments(
		 command, argc, argv, &parsed, origins, problem)) != STATUS_OK)
		goto out;
	read_environment(environment, origins);
	if ((st = find_config(origins, &config, problem)) != STATUS_OK)
		goto out;
	for (size_t i = 0; i < SPEC_CONFIG; i++) {
		/* One file and one environment serve all commands. */
		if (origins[i].value == NULL ||
		    (specs[i].commands & command) == 0)
			continue;
		if (!specs[i].set(&parsed, origins[i].value)) {
			st = refuse_value(&specs[i], &origins[i], problem);
			goto out;
		}
	}
	if ((parsed.tls_certificate == NULL) != (parsed.tls_key == NULL) &&
	    (parsed.plaintext == OPTIONS_PLAINTEXT_NO ||
		parsed.tls_key != NULL)) {
		st = refuse(problem, "--tls-certificate and --tls-key belong "
				     "together: give both or neither.");
		goto out;
	}
	options_clear(options);
	*options = parsed;
	options_init(&parsed);
out:
	options_clear(&parsed);
	buf_clear(&config);
	return st;
}

void
options_print(FILE *out, enum options_command command)
{
	for (size_t i = 0; i < SPEC_COUNT; i++) {
		bool is_bare = specs[i].bare != NULL;
		char name[NAME_SIZE_MAX_BYTES] = "";
		const char *help = specs[i].help;

		if ((specs[i].commands & command) == 0)
			continue;
		(void)snprintf(name, sizeof(name), "--%s%s%s%s", specs[i].name,
		    is_bare ? "[=" : " ", specs[i].value, is_bare ? "]" : "");
		fprintf(out, "  %-28s ", name);
		for (; *help != '\0'; help++) {
			fputc(*help, out);
			if (*help == '\n')
				fprintf(out, "  %-28s ", "");
		}
		fputc('\n', out);
	}
}

bool
options_host_is_loopback(const char *host)
{
	struct in_addr address = {0};

	if (inet_pton(AF_INET, host, &address) == 1)
		return ntohl(address.s_addr) >> 24 == 127;
	return strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

bool
options_host_is_wildcard(const char *host)
{
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}
