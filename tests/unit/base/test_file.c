#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

static char folder[] = "/tmp/peyk-test-file-XXXXXX";
static char path[sizeof(folder) + 32];

static const char *
in_folder(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int
setup(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	char command[sizeof(folder) + 16];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static unsigned
count_files(void)
{
	DIR *directory = opendir(folder);
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count - 2; /* . and .. */
}

static void
assert_content(const char *name, const char *expected)
{
	struct buf content;

	buf_init(&content, 100);
	assert_ok(file_read(in_folder(name), &content));
	assert_bytes(buf_bytes(&content), bytes_from_string(expected));
	buf_clear(&content);
}

static void
test_file_write_replaces(void **state)
{
	struct stat info;

	(void)state;
	assert_ok(file_write_atomic(in_folder("a"), BYTES_LITERAL("one"),
	    0644));
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0644);
	assert_ok(file_write_atomic(in_folder("a"), BYTES_LITERAL("2"),
	    0600));
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_content("a", "2");
	assert_ok(file_write_atomic(in_folder("a"), bytes_empty(), 0600));
	assert_content("a", "");
	assert_int_equal(count_files(), 1);
}

static void
test_file_create_keeps_what_is_there(void **state)
{
	(void)state;
	assert_ok(file_create_atomic(in_folder("a"), BYTES_LITERAL("one"),
	    0600));
	assert_status(file_create_atomic(in_folder("a"),
	    BYTES_LITERAL("two"), 0600), STATUS_EXISTS);
	assert_content("a", "one");
	assert_int_equal(count_files(), 1);
}

static void
test_file_write_survives_leftovers(void **state)
{
	char other[sizeof(path)];

	(void)state;
	/* A writer that was killed half-way. */
	assert_ok(file_write_atomic(in_folder(".a.new"),
	    BYTES_LITERAL("longer than the new one"), 0600));
	assert_ok(file_write_atomic(in_folder("a"), BYTES_LITERAL("x"),
	    0600));
	assert_content("a", "x");
	/* One that was killed between its link and its unlink. */
	strcpy(other, in_folder(".a.new"));
	assert_int_equal(link(in_folder("a"), other), 0);
	assert_status(file_create_atomic(in_folder("a"),
	    BYTES_LITERAL("y"), 0600), STATUS_EXISTS);
	assert_content("a", "x");
	assert_int_equal(count_files(), 1);
}

static void
test_file_writers_take_turns(void **state)
{
	pid_t children[4];
	char content[2000];
	struct buf read_back;
	int result;

	(void)state;
	for (int child = 0; child < 4; child++) {
		children[child] = fork();
		assert_true(children[child] >= 0);
		if (children[child] != 0)
			continue;
		memset(content, 'a' + child, sizeof(content));
		for (int i = 0; i < 25; i++)
			if (file_write_atomic(in_folder("a"),
			    bytes_make(content, sizeof(content) -
			    (size_t)child), 0600) != STATUS_OK)
				_exit(1);
		_exit(0);
	}
	for (int child = 0; child < 4; child++) {
		assert_int_equal(waitpid(children[child], &result, 0),
		    children[child]);
		assert_int_equal(result, 0);
	}
	buf_init(&read_back, sizeof(content));
	assert_ok(file_read(in_folder("a"), &read_back));
	assert_int_equal(read_back.size,
	    sizeof(content) - (size_t)(read_back.data[0] - 'a'));
	for (size_t i = 0; i < read_back.size; i++)
		assert_int_equal(read_back.data[i], read_back.data[0]);
	buf_clear(&read_back);
	assert_int_equal(count_files(), 1);
}

static void
test_file_read_has_a_limit(void **state)
{
	struct buf content;

	(void)state;
	assert_ok(file_write_atomic(in_folder("a"), BYTES_LITERAL("12345"),
	    0600));
	buf_init(&content, 8);
	assert_ok(buf_append_string(&content, "abc"));
	assert_ok(file_read(path, &content));
	assert_bytes(buf_bytes(&content), BYTES_LITERAL("abc12345"));
	buf_truncate(&content, 4);
	assert_status(file_read(path, &content), STATUS_TOO_LARGE);
	assert_bytes(buf_bytes(&content), BYTES_LITERAL("abc1"));
	assert_status(file_read(in_folder("b"), &content), STATUS_NOT_FOUND);
	assert_status(file_read(folder, &content), STATUS_INVALID);
	assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
	assert_status(file_read(path, &content), STATUS_INVALID);
	buf_clear(&content);
}

static void
test_file_read_private_wants_privacy(void **state)
{
	struct buf content;
	char target[sizeof(path)];

	(void)state;
	buf_init_secret(&content, 8);
	assert_ok(file_write_atomic(in_folder("a"), BYTES_LITERAL("key"),
	    0600));
	assert_ok(file_read_private(path, &content));
	assert_int_equal(chmod(path, 0640), 0);
	assert_status(file_read_private(path, &content), STATUS_DENIED);
	assert_int_equal(chmod(path, 0602), 0);
	assert_status(file_read_private(path, &content), STATUS_DENIED);
	assert_int_equal(chmod(path, 0600), 0);
	strcpy(target, path);
	assert_int_equal(symlink(target, in_folder("link")), 0);
	assert_status(file_read_private(path, &content), STATUS_INVALID);
	assert_bytes(buf_bytes(&content), BYTES_LITERAL("key"));
	buf_clear(&content);
}

static void
test_file_make_folder(void **state)
{
	struct stat info;

	(void)state;
	assert_ok(file_make_folder(in_folder("x//y/z/")));
	assert_int_equal(stat(in_folder("x/y/z"), &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
	assert_ok(file_make_folder(path));
	assert_int_equal(chmod(path, 0720), 0);
	assert_status(file_make_folder(path), STATUS_DENIED);
	assert_ok(file_write_atomic(in_folder("f"), bytes_empty(), 0600));
	assert_status(file_make_folder(path), STATUS_INVALID);
	assert_status(file_make_folder(in_folder("f/g")), STATUS_INVALID);
	assert_status(file_make_folder(""), STATUS_INVALID);
}

static void
test_file_write_without_folder(void **state)
{
	(void)state;
	assert_status(file_write_atomic(in_folder("no/a"), bytes_empty(),
	    0600), STATUS_NOT_FOUND);
}

static void
test_file_lock_excludes(void **state)
{
	int first = -1, second = -1;
	uint64_t start_ms;

	(void)state;
	assert_ok(file_lock(in_folder("lock"), 0, &first));
	start_ms = clock_monotonic_ms();
	assert_status(file_lock(path, 0, &second), STATUS_BUSY);
	assert_status(file_lock(path, 60, &second), STATUS_BUSY);
	assert_true(clock_monotonic_ms() - start_ms >= 60);
	assert_int_equal(second, -1);
	file_unlock(first);
	assert_ok(file_lock(path, 0, &second));
	file_unlock(second);
	file_unlock(-1);
	assert_status(file_lock(in_folder("no/lock"), 0, &second),
	    STATUS_NOT_FOUND);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_folder(test_file_write_replaces),
		with_folder(test_file_create_keeps_what_is_there),
		with_folder(test_file_write_survives_leftovers),
		with_folder(test_file_writers_take_turns),
		with_folder(test_file_read_has_a_limit),
		with_folder(test_file_read_private_wants_privacy),
		with_folder(test_file_make_folder),
		with_folder(test_file_write_without_folder),
		with_folder(test_file_lock_excludes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
