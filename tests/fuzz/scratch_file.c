#include "tests/fuzz/scratch_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static char root[] = "/tmp/peyk-fuzz-XXXXXX";
static char folder[sizeof(root) + 8];
static char path[sizeof(folder) + 8];
static pid_t owner;
static int fd = -1;

static void
remove_all(void)
{
	if (getpid() != owner)
		return;
	(void)unlink(path);
	(void)rmdir(folder);
	(void)rmdir(root);
}

static void
make(void)
{
	FUZZ_CHECK(mkdtemp(root) != NULL);
	(void)snprintf(folder, sizeof(folder), "%s/peyk", root);
	(void)snprintf(path, sizeof(path), "%s/config", folder);
	FUZZ_CHECK(mkdir(folder, 0700) == 0);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0);
	owner = getpid();
	FUZZ_CHECK(atexit(remove_all) == 0);
}

const char *
scratch_file_write(struct bytes content)
{
	if (fd < 0)
		make();
	FUZZ_CHECK(ftruncate(fd, 0) == 0);
	FUZZ_CHECK(content.size == 0 ||
	    pwrite(fd, content.data, content.size, 0) ==
	    (ssize_t)content.size);
	return path;
}

const char *
scratch_file_folder(void)
{
	if (fd < 0)
		make();
	return folder;
}
