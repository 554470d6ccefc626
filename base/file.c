#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* One read() of a file whose size is not known in advance. */
#define FILE_CHUNK ((size_t)16 << 10)

/* How often a lock that someone else holds is tried again. */
#define FILE_LOCK_RETRY_MS 20

static enum status
status_of_errno(void)
{
	switch (errno) {
	case ENOENT:
		return STATUS_NOT_FOUND;
	case ENOTDIR:
	case ELOOP:
		return STATUS_INVALID;
	case ENAMETOOLONG:
		return STATUS_TOO_LARGE;
	case ENOMEM:
		return STATUS_NOMEM;
	default:
		return STATUS_IO;
	}
}

/* The cause of a failure is in errno for the caller; close() may change it. */
static void
close_quietly(int fd)
{
	int saved_errno = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = saved_errno;
}

static enum status
read_all(int fd, struct buf *out)
{
	size_t room;
	uint8_t *chunk, probe;
	ssize_t n;
	enum status st;

	for (;;) {
		room = out->limit - out->size;
		if (room > FILE_CHUNK)
			room = FILE_CHUNK;
		if (room == 0) {
			/* Full: only the end of the file may follow. */
			n = read(fd, &probe, 1);
		} else {
			if ((st = buf_extend(out, room, &chunk)) != STATUS_OK)
				return st;
			n = read(fd, chunk, room);
			buf_truncate(out, out->size - room +
			    (n > 0 ? (size_t)n : 0));
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return STATUS_IO;
		if (n == 0)
			return STATUS_OK;
		if (room == 0)
			return STATUS_TOO_LARGE;
	}
}

static enum status
read_checked(const char *path, bool is_private, struct buf *out)
{
	struct stat info;
	size_t start = out->size;
	enum status st;
	/* Not to hang on a FIFO before it is seen to be one. */
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
	int fd = open(path, is_private ? flags | O_NOFOLLOW : flags);

	if (fd < 0)
		return status_of_errno();
	if (fstat(fd, &info) != 0)
		st = STATUS_IO;
	else if (!S_ISREG(info.st_mode))
		st = STATUS_INVALID;
	else if (is_private && (info.st_uid != geteuid() ||
	    (info.st_mode & (S_IRWXG | S_IRWXO)) != 0))
		st = STATUS_DENIED;
	else
		st = read_all(fd, out);
	if (st != STATUS_OK)
		buf_truncate(out, start);
	close_quietly(fd);
	return st;
}

enum status
file_read(const char *path, struct buf *out)
{
	return read_checked(path, false, out);
}

enum status
file_read_private(const char *path, struct buf *out)
{
	return read_checked(path, true, out);
}

/* The folder that path is in, into folder, which has PATH_MAX bytes. */
static enum status
folder_of(const char *path, char *folder)
{
	const char *slash = strrchr(path, '/');
	size_t length;

	if (slash == NULL)
		path = ".";
	length = slash == NULL ? 1 : (size_t)(slash - path);
	if (length == 0)
		length = 1; /* the root */
	if (length >= PATH_MAX)
		return STATUS_TOO_LARGE;
	memcpy(folder, path, length);
	folder[length] = '\0';
	return STATUS_OK;
}

/* "folder/NAME" to "folder/.NAME.new". */
static enum status
new_path_of(const char *path, char *new_path)
{
	const char *slash = strrchr(path, '/');
	int folder_length = slash == NULL ? 0 : (int)(slash + 1 - path);
	int length;

	if (strlen(path) >= PATH_MAX)
		return STATUS_TOO_LARGE;
	length = snprintf(new_path, PATH_MAX, "%.*s.%s.new", folder_length,
	    path, path + folder_length);
	return length > 0 && length < PATH_MAX ? STATUS_OK : STATUS_TOO_LARGE;
}

static enum status
sync_folder_of(const char *path)
{
	char folder[PATH_MAX];
	enum status st;
	int fd;

	if ((st = folder_of(path, folder)) != STATUS_OK)
		return st;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return STATUS_IO;
	st = fsync(fd) == 0 ? STATUS_OK : STATUS_IO;
	close_quietly(fd);
	return st;
}

/* Waits for the lock on a file however long it takes. */
static int
lock_and_wait(int fd)
{
	int result;

	do
		result = flock(fd, LOCK_EX);
	while (result != 0 && errno == EINTR);
	return result;
}

/*
 * Opens and locks the file in which the new content grows. Who had to wait
 * holds a file that the writer before has renamed, so looks again whether the
 * path still means it. A second link is what a crash between link() and
 * unlink() leaves: the finished file, which must not be written to.
 */
static enum status
open_new(const char *new_path, int *out)
{
	struct stat opened, found;
	int fd;

	for (;;) {
		fd = open(new_path, O_WRONLY | O_CREAT | O_NOFOLLOW |
		    O_CLOEXEC, 0600);
		if (fd < 0)
			return status_of_errno();
		if (lock_and_wait(fd) != 0 || fstat(fd, &opened) != 0) {
			close_quietly(fd);
			return STATUS_IO;
		}
		if (lstat(new_path, &found) == 0 &&
		    found.st_dev == opened.st_dev &&
		    found.st_ino == opened.st_ino) {
			if (opened.st_nlink == 1) {
				*out = fd;
				return STATUS_OK;
			}
			if (unlink(new_path) != 0) {
				close_quietly(fd);
				return STATUS_IO;
			}
		}
		close_quietly(fd);
	}
}

static enum status
write_all(int fd, struct bytes content)
{
	size_t done = 0;

	while (done < content.size) {
		ssize_t n = write(fd, content.data + done,
		    content.size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return STATUS_IO;
		done += (size_t)n;
	}
	return STATUS_OK;
}

static enum status
publish(const char *new_path, const char *path, bool may_replace)
{
	if (may_replace)
		return rename(new_path, path) == 0 ? STATUS_OK : STATUS_IO;
	if (link(new_path, path) != 0)
		return errno == EEXIST ? STATUS_EXISTS : STATUS_IO;
	return unlink(new_path) == 0 ? STATUS_OK : STATUS_IO;
}

static enum status
write_new(const char *path, struct bytes content, mode_t mode,
    bool may_replace)
{
	char new_path[PATH_MAX];
	enum status st;
	int fd = -1, saved_errno;

	if ((st = new_path_of(path, new_path)) != STATUS_OK ||
	    (st = open_new(new_path, &fd)) != STATUS_OK)
		return st;
	if (ftruncate(fd, 0) != 0 || fchmod(fd, mode) != 0)
		st = STATUS_IO;
	else if ((st = write_all(fd, content)) == STATUS_OK)
		st = fsync(fd) == 0 ? STATUS_OK : STATUS_IO;
	if (st == STATUS_OK)
		st = publish(new_path, path, may_replace);
	if (st == STATUS_OK) {
		st = sync_folder_of(path);
	} else {
		saved_errno = errno;
		(void)unlink(new_path);
		errno = saved_errno;
	}
	close_quietly(fd);
	return st;
}

enum status
file_write_atomic(const char *path, struct bytes content, mode_t mode)
{
	return write_new(path, content, mode, true);
}

enum status
file_create_atomic(const char *path, struct bytes content, mode_t mode)
{
	return write_new(path, content, mode, false);
}

static enum status
check_folder(const char *path)
{
	struct stat info;

	if (stat(path, &info) != 0)
		return status_of_errno();
	if (!S_ISDIR(info.st_mode))
		return STATUS_INVALID;
	if (info.st_uid != geteuid() ||
	    (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return STATUS_DENIED;
	return STATUS_OK;
}

static enum status
make_one_folder(const char *path)
{
	struct stat info;

	if (mkdir(path, 0700) == 0)
		return sync_folder_of(path);
	/* Some file systems say EROFS or EACCES of one that is there. */
	if (errno == EEXIST || stat(path, &info) == 0)
		return STATUS_OK;
	return status_of_errno();
}

enum status
file_make_folder(const char *path)
{
	char part[PATH_MAX];
	size_t length = strlen(path);
	enum status st;

	if (length == 0)
		return STATUS_INVALID;
	if (length >= sizeof(part))
		return STATUS_TOO_LARGE;
	while (length > 1 && path[length - 1] == '/')
		length--;
	memcpy(part, path, length);
	part[length] = '\0';
	for (size_t i = 1; i < length; i++) {
		if (part[i] != '/' || part[i - 1] == '/')
			continue;
		part[i] = '\0';
		if ((st = make_one_folder(part)) != STATUS_OK)
			return st;
		part[i] = '/';
	}
	if ((st = make_one_folder(part)) != STATUS_OK)
		return st;
	return check_folder(part);
}

enum status
file_lock(const char *path, uint64_t timeout_ms, int *fd)
{
	const struct timespec pause = {
		.tv_nsec = FILE_LOCK_RETRY_MS * 1000000L
	};
	uint64_t start_ms = clock_monotonic_ms();
	int opened = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
	    0600);

	if (opened < 0)
		return status_of_errno();
	while (flock(opened, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			close_quietly(opened);
			return STATUS_IO;
		}
		if (clock_monotonic_ms() - start_ms >= timeout_ms) {
			close_quietly(opened);
			return STATUS_BUSY;
		}
		(void)nanosleep(&pause, NULL);
	}
	*fd = opened;
	return STATUS_OK;
}

void
file_unlock(int fd)
{
	close_quietly(fd);
}
