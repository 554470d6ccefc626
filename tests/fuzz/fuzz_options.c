#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "channel/address.h"
#include "server/options.h"
#include "tests/fuzz/scratch_file.h"
#include "tests/fuzz/words.h"

#define PROBLEM_MAX 4096

static bool
is_set(const char *string)
{
	return string != NULL && string[0] != '\0';
}

/* The address that peykd prints with this host is one that peyk takes. */
static void
check_host(const char *host)
{
	struct channel_address address;
	char text[CHANNEL_ADDRESS_MAX];

	(void)snprintf(text, sizeof(text),
	    strchr(host, ':') != NULL ? "peyk://[%s]:1" : "peyk://%s:1", host);
	FUZZ_CHECK(channel_address_parse(bytes_from_string(text), &address) ==
	    STATUS_OK);
	FUZZ_CHECK(address.port == 1 && !address.has_fingerprint);
}

static void
check_options(const struct options *options, int argc)
{
	FUZZ_CHECK(is_set(options->data) && is_set(options->database));
	FUZZ_CHECK(is_set(options->listen) && is_set(options->listen_host));
	FUZZ_CHECK(strstr(options->listen, options->listen_host) != NULL);
	if (strchr(options->listen_host, '%') == NULL)
		check_host(options->listen_host);
	if (options->advertise != NULL)
		check_host(options->advertise);
	FUZZ_CHECK((options->tls_certificate == NULL) ==
	    (options->tls_key == NULL));
	FUZZ_CHECK(options->workers <= OPTIONS_WORKERS_MAX);
	FUZZ_CHECK(options->plaintext <= OPTIONS_PLAINTEXT_ANYWHERE);
	FUZZ_CHECK(options->log_level <= LOG_LEVEL_ERROR);
	FUZZ_CHECK(options->argument_count >= 0 &&
	    options->argument_count <= argc);
	for (int i = 0; i < options->argument_count; i++)
		FUZZ_CHECK(options->arguments[i] != NULL);
}

/* The first byte chooses the command. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum options_command commands[] = {OPTIONS_COMMAND_INIT,
	    OPTIONS_COMMAND_SERVE, OPTIONS_COMMAND_MIGRATE};
	char config[64];
	struct options options;
	struct buf problem;
	struct words words;
	enum status st;

	if (size == 0)
		return 0;
	words_init(&words, config, bytes_make(data + 1, size - 1));
	(void)snprintf(config, sizeof(config), "--config=%s",
	    scratch_file_write(words.config));
	options_init(&options);
	buf_init(&problem, PROBLEM_MAX);
	st = options_parse(&options, commands[data[0] % 3], words.argc,
	    words.argv, words.environment, &problem);
	if (st == STATUS_OK) {
		FUZZ_CHECK(problem.size == 0);
		check_options(&options, words.argc);
	} else {
		FUZZ_CHECK(st == STATUS_INVALID);
		FUZZ_CHECK(problem.size > 0);
		FUZZ_CHECK(options.data == NULL && options.arguments == NULL);
	}
	options_clear(&options);
	buf_clear(&problem);
	words_clear(&words);
	return 0;
}
