#ifndef PEYK_BASE_FILE_H
#define PEYK_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

/*
 * Whole files, and folders. STATUS_IO leaves the cause in errno.
 */

/*
 * Appends the content of a regular file to out, whose limit bounds it.
 * STATUS_NOT_FOUND, STATUS_TOO_LARGE, STATUS_INVALID (no regular file),
 * STATUS_NOMEM, STATUS_IO.
 */
MUST_CHECK enum status file_read(const char *path, struct buf *out);

/*
 * The same for secrets: STATUS_DENIED if the file does not belong to the
 * process's user or if anyone else may read or write it. A symbolic link as
 * the last part of the path is not followed (STATUS_INVALID).
 */
MUST_CHECK enum status file_read_private(const char *path, struct buf *out);

/*
 * Replaces or creates a file at once: after a crash at any moment there is
 * the old content or the new, on the disk. Written to ".NAME.new" beside it
 * (one writer at a time: others wait), synced, renamed; then the folder is
 * synced. mode: such as 0600, whatever the umask is.
 * STATUS_TOO_LARGE (path too long), STATUS_NOT_FOUND (no folder), STATUS_IO.
 */
MUST_CHECK enum status file_write_atomic(const char *path,
    struct bytes content, mode_t mode);

/* The same, but STATUS_EXISTS, and nothing changed, if path exists. */
MUST_CHECK enum status file_create_atomic(const char *path,
    struct bytes content, mode_t mode);

/*
 * Creates a folder with mode 0700, and those above it that are missing, and
 * syncs each parent. One that is there already stays as it is; then
 * STATUS_DENIED if it belongs to another user or if anyone else may write to
 * it, STATUS_INVALID if it is no folder. STATUS_TOO_LARGE, STATUS_IO.
 */
MUST_CHECK enum status file_make_folder(const char *path);

/*
 * Locks a file for this process, creating it with mode 0600; waits
 * timeout_ms at most (0: not at all), then STATUS_BUSY. *fd holds the lock;
 * file_unlock() or the end of the process gives it up. The file stays.
 * STATUS_NOT_FOUND (no folder), STATUS_IO.
 */
MUST_CHECK enum status file_lock(const char *path, uint64_t timeout_ms,
    int *fd);

/* Closes fd; -1 is a no-op. */
void file_unlock(int fd);

#endif
