#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/options.h"

#define WORDS_MAX 16

static struct options options;
static struct buf problem;

static int
setup(void **state)
{
	(void)state;
	options_init(&options);
	buf_init(&problem, 4096);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	options_clear(&options);
	buf_clear(&problem);
	return 0;
}

/* words and environment end with NULL. */
static enum status
parse(enum options_command command, char **words, char *const *environment)
{
	static char *const nothing[] = {"PEYK_SERVER=elsewhere", NULL};
	static char *kept[WORDS_MAX];
	int count = 0;

	for (; words[count] != NULL; count++)
		kept[count] = words[count];
	return options_parse(&options, command, count, kept,
	    environment == NULL ? nothing : environment, &problem);
}

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})
#define NO_WORDS ((char *[]){NULL})

static void
assert_problem(const char *part)
{
	const char *text = NULL;

	assert_int_equal(buf_string(&problem, &text), STATUS_OK);
	if (strstr(text, part) == NULL)
		fail_msg("expected \"%s\" in: %s", part, text);
}

static void
test_options_defaults(void **state)
{
	(void)state;
	assert_int_equal(
	    parse(OPTIONS_COMMAND_SERVE, NO_WORDS, NULL), STATUS_OK);
	assert_string_equal(options.data, "/var/lib/peyk");
	assert_string_equal(options.database, "dbname=peyk");
	assert_string_equal(options.listen_host, "0.0.0.0");
	assert_int_equal(options.listen_port, 8022);
	assert_null(options.advertise);
	assert_null(options.tls_key);
	assert_int_equal(options.plaintext, OPTIONS_PLAINTEXT_NO);
	assert_int_equal(options.workers, 0);
	assert_false(options.migrate);
	assert_true(options.is_registration_open);
	assert_false(options.is_reflection_off);
	assert_int_equal(options.argument_count, 0);
}

static void
test_options_every_form(void **state)
{
	(void)state;
	assert_int_equal(
	    parse(OPTIONS_COMMAND_SERVE,
		WORDS("--data", "/d", "one", "--database=host=/run dbname=x",
		    "--listen", "[::1]:0", "--plaintext", "--workers=3",
		    "--migrate", "--registration", "closed",
		    "--reflection=off", "--", "--two"),
		NULL),
	    STATUS_OK);
	assert_string_equal(options.data, "/d");
	assert_string_equal(options.database, "host=/run dbname=x");
	assert_string_equal(options.listen_host, "::1");
	assert_int_equal(options.listen_port, 0);
	assert_int_equal(options.plaintext, OPTIONS_PLAINTEXT_LOOPBACK);
	assert_int_equal(options.workers, 3);
	assert_true(options.migrate);
	assert_false(options.is_registration_open);
	assert_true(options.is_reflection_off);
	assert_int_equal(options.argument_count, 2);
	assert_string_equal(options.arguments[0], "one");
	assert_string_equal(options.arguments[1], "--two");
}

static void
test_options_listen(void **state)
{
	static const struct {
		char *text;
		const char *host;
		int port; /* -1: refused */
	} cases[] = {
	    {"127.0.0.1:1", "127.0.0.1", 1},
	    {"example.org", "example.org", 8022},
	    {"example.org:65535", "example.org", 65535},
	    {"[::]:8022", "::", 8022},
	    {"[fe80::1%eth0]", "fe80::1%eth0", 8022},
	    {"", NULL, -1},
	    {":8022", NULL, -1},
	    {"host:", NULL, -1},
	    {"host:x", NULL, -1},
	    {"host:-1", NULL, -1},
	    {"host: 1", NULL, -1},
	    {"host:65536", NULL, -1},
	    {"host:99999999999999999999", NULL, -1},
	    {"::1", NULL, -1},
	    {"[::1", NULL, -1},
	    {"[::1]8022", NULL, -1},
	    {"[]:8022", NULL, -1},
	    {"[fe80::1%]", NULL, -1},
	    {"[fe80::1%a b]", NULL, -1},
	    {"[example.org]:1", NULL, -1},
	    {"[10.0.0.1]", NULL, -1},
	    {"a]:1", NULL, -1},
	    {"0.0.0.0 :8022", NULL, -1},
	    {"host\x01:1", NULL, -1},
	    {"http://host", NULL, -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum status st = parse(OPTIONS_COMMAND_SERVE,
		    WORDS("--listen", cases[i].text), NULL);

		if (cases[i].port < 0) {
			assert_int_equal(st, STATUS_INVALID);
			assert_problem("--listen must be HOST:PORT");
			continue;
		}
		assert_int_equal(st, STATUS_OK);
		assert_string_equal(options.listen_host, cases[i].host);
		assert_int_equal(options.listen_port, cases[i].port);
	}
}

static void
test_options_refuses(void **state)
{
	static const struct {
		char *words[4];
		const char *problem;
	} cases[] = {
	    {{"--nonsense"}, "no option --nonsense"},
	    {{"--data"}, "--data needs a value"},
	    {{"-x"}, "no option -x"},
	    {{"--data="}, "--data must be a folder's path"},
	    {{"--workers", "0"}, "number from 1 to 64"},
	    {{"--workers", "65"}, "number from 1 to 64"},
	    {{"--workers", "many"}, "number from 1 to 64"},
	    {{"--plaintext=maybe"}, "yes, no or anywhere"},
	    {{"--registration", "ajar"}, "open or closed"},
	    {{"--reflection"}, "--reflection needs a value"},
	    {{"--reflection=yes"}, "on or off"},
	    {{"--log-level", "loud"}, "debug, info"},
	    {{"--tls-key", "k.pem"}, "belong together"},
	    {{"--advertise", "a b"}, "host name"},
	    {{"--advertise", "example.org:443"}, "host name"},
	    {{"--advertise", "[::1]"}, "host name"},
	    {{"--advertise", "peyk://example.org"}, "host name"},
	    {{"--advertise", "a\x1b[m"}, "host name"},
	    {{"--advertise", ""}, "host name"},
	    {{"--config", "/nonexistent/x"}, "/nonexistent/x"},
	    {{"--config", "/"}, "cannot be read"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    parse(OPTIONS_COMMAND_SERVE, (char **)cases[i].words, NULL),
		    STATUS_INVALID);
		assert_problem(cases[i].problem);
		assert_null(options.data); /* nothing is half filled */
	}
}

static void
test_options_of_another_command(void **state)
{
	char *const environment[] = {"PEYKD_LISTEN=nowhere:x", NULL};

	(void)state;
	assert_int_equal(
	    parse(OPTIONS_COMMAND_MIGRATE, WORDS("--workers", "2"), NULL),
	    STATUS_INVALID);
	assert_problem("no option --workers here");
	/* One environment serves all commands: what is not for it is skipped.
	 */
	assert_int_equal(
	    parse(OPTIONS_COMMAND_MIGRATE, WORDS("up"), environment),
	    STATUS_OK);
}

static void
test_options_precedence(void **state)
{
	char config[] = "/tmp/peyk-test-options-XXXXXX";
	char *const environment[] = {"PEYK_DATA=/peyk", "PEYKD_DATA=/peykd",
	    "PEYK_DATABASE=environment", "PEYKD_TLS_KEY=/k",
	    "PEYKD_TLS_CERTIFICATE=/c", NULL};
	int fd = mkstemp(config);
	const char *text =
	    "# a comment\n\n  data = /file \n"
	    "database=dbname=file\r\nlisten = 10.0.0.1:1\nworkers = 9";

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(
	    parse(OPTIONS_COMMAND_SERVE,
		WORDS("--config", config, "--listen", "h:2"), environment),
	    STATUS_OK);
	assert_string_equal(options.listen, "h:2");
	assert_string_equal(options.data, "/peykd");
	assert_string_equal(options.database, "environment");
	assert_string_equal(options.tls_key, "/k");
	assert_int_equal(options.workers, 9);
	assert_int_equal(
	    parse(OPTIONS_COMMAND_SERVE, WORDS("--config", config), NULL),
	    STATUS_OK);
	assert_string_equal(options.data, "/file");
	assert_string_equal(options.database, "dbname=file");
	unlink(config);
}

static void
test_options_config_refuses(void **state)
{
	static const struct {
		const char *text, *problem;
	} cases[] = {
	    {"data\n", "line 1: expected \"name = value\""},
	    {"\n#\ncolour = red\n", "line 3: there is no setting"},
	    {"config = x\n", "line 1: there is no setting"},
	    {"workers = 1\nworkers=x", NULL},
	    {"listen = x:y\n", "line 1: listen must be HOST:PORT"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char config[] = "/tmp/peyk-test-options-XXXXXX";
		int fd = mkstemp(config);
		enum status st;

		assert_true(fd >= 0);
		assert_int_equal(
		    write(fd, cases[i].text, strlen(cases[i].text)),
		    strlen(cases[i].text));
		close(fd);
		st = parse(
		    OPTIONS_COMMAND_SERVE, WORDS("--config", config), NULL);
		unlink(config);
		if (cases[i].problem == NULL) {
			assert_int_equal(st, STATUS_OK); /* the first counts */
			continue;
		}
		assert_int_equal(st, STATUS_INVALID);
		assert_problem(cases[i].problem);
		assert_problem(config);
	}
}

static void
test_options_environment_is_named(void **state)
{
	char *const environment[] = {"PEYKD_LOG_LEVEL=loud", NULL};

	(void)state;
	assert_int_equal(parse(OPTIONS_COMMAND_SERVE, NO_WORDS, environment),
	    STATUS_INVALID);
	assert_problem("PEYKD_LOG_LEVEL in the environment must be debug");
}

static void
test_options_hosts(void **state)
{
	(void)state;
	assert_true(options_host_is_loopback("127.0.0.1"));
	assert_true(options_host_is_loopback("127.9.8.7"));
	assert_true(options_host_is_loopback("::1"));
	assert_true(options_host_is_loopback("localhost"));
	assert_false(options_host_is_loopback("127.0.0.1.example.org"));
	assert_false(options_host_is_loopback("0.0.0.0"));
	assert_false(options_host_is_loopback("128.0.0.1"));
	assert_true(options_host_is_wildcard("0.0.0.0"));
	assert_true(options_host_is_wildcard("::"));
	assert_false(options_host_is_wildcard("127.0.0.1"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_options_defaults, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_options_every_form, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_options_listen, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_options_refuses, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_options_of_another_command, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_options_precedence, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_options_config_refuses, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_options_environment_is_named, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_options_hosts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
