/*
 * Runs a fuzz target over files, and over all files of folders: replays a
 * corpus where libFuzzer is not there.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX ((size_t)1 << 20)

static size_t count;

static void
run_file(const char *path)
{
	uint8_t *data = malloc(INPUT_MAX), *exact;
	FILE *file = fopen(path, "rb");
	size_t size;

	if (data == NULL || file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	size = fread(data, 1, INPUT_MAX, file);
	(void)fclose(file);
	/* Of the exact size, so that a sanitizer sees each byte past it. */
	exact = malloc(size > 0 ? size : 1);
	if (exact == NULL)
		exit(1);
	memcpy(exact, data, size);
	free(data);
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	count++;
}

static void
run_path(const char *path)
{
	char inside[PATH_MAX];
	struct dirent *entry;
	struct stat info;
	DIR *folder;

	if (stat(path, &info) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	if (!S_ISDIR(info.st_mode)) {
		run_file(path);
		return;
	}
	if ((folder = opendir(path)) == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(inside, sizeof(inside), "%s/%s", path,
		    entry->d_name);
		run_file(inside);
	}
	(void)closedir(folder);
}

int
main(int argc, char **argv)
{
	int i;

	(void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (i = 1; i < argc; i++)
		run_path(argv[i]);
	printf("%zu inputs\n", count);
	/* An empty corpus would pass for ever. */
	return count > 0 ? 0 : 1;
}
