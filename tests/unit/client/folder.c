#include "tests/unit/client/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/crypto.h"

static char folder[64];

int
folder_setup(void **state)
{
	(void)state;
	if (crypto_init() != STATUS_OK)
		return -1;
	(void)snprintf(folder, sizeof(folder), "/tmp/peyk-unit-XXXXXX");
	return mkdtemp(folder) != NULL ? 0 : -1;
}

int
folder_teardown(void **state)
{
	char command[128];

	(void)state;
	crypto_cleanup();
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

const char *
folder_path(const char *name)
{
	static char paths[2][256];
	static int next;
	char *path = paths[next++ % 2];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

void
folder_read(const char *path, struct buf *out)
{
	buf_init(out, 1 << 20);
	assert_ok(file_read(path, out));
}

void
folder_write(const char *path, struct bytes content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_true(
	    write(fd, content.data, content.size) == (ssize_t)content.size);
	assert_int_equal(close(fd), 0);
}
