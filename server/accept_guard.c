#include "server/accept_guard.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The kernel gives out the lowest free descriptor, so a number from here on
 * says that as many are open. 0: no limit yet.
 */
static atomic_int first_refused;
static atomic_uint_fast64_t refused_count;

/* Given up for the moment that it takes to turn a connection away. */
static pthread_mutex_t reserve_mutex = PTHREAD_MUTEX_INITIALIZER;
static int reserve = -1;

enum status
accept_guard_start(uint64_t *out)
{
	struct rlimit files = {0};
	rlim_t wanted = ACCEPT_GUARD_FILES_MAX;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return STATUS_INTERNAL;
	if (wanted > files.rlim_max)
		wanted = files.rlim_max;
	if (files.rlim_cur < wanted) {
		rlim_t before = files.rlim_cur;

		files.rlim_cur = wanted;
		if (setrlimit(RLIMIT_NOFILE, &files) != 0)
			wanted = before;
	}
	if (reserve < 0)
		reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (reserve < 0)
		return STATUS_INTERNAL;
	wanted -= wanted > 2 * ACCEPT_GUARD_RESERVED ? ACCEPT_GUARD_RESERVED
						     : wanted / 2;
	atomic_store(&first_refused, (int)wanted);
	*out = wanted;
	return STATUS_OK;
}

uint64_t
accept_guard_refused(void)
{
	return atomic_load(&refused_count);
}

static int
accept_one(int listener, struct sockaddr *address, socklen_t *size, int flags)
{
	return (int)syscall(SYS_accept4, listener, address, size, flags);
}

static void
turn_away(int connection)
{
	(void)close(connection);
	atomic_fetch_add(&refused_count, 1);
}

/* False: not even that works now. */
static bool
turn_one_away(int listener)
{
	int connection = -1;

	(void)pthread_mutex_lock(&reserve_mutex);
	if (reserve >= 0)
		(void)close(reserve);
	connection = accept_one(listener, NULL, NULL, SOCK_CLOEXEC);
	if (connection >= 0)
		turn_away(connection);
	reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	(void)pthread_mutex_unlock(&reserve_mutex);
	return connection >= 0;
}

/*
 * accept4(2) itself, for everyone who calls it in this process. The listener
 * is polled by edges, so what waits is taken until nothing does.
 */
int guarded_accept(int listener, struct sockaddr *address, socklen_t *size,
    int flags) __asm__("accept4");

int
guarded_accept(
    int listener, struct sockaddr *address, socklen_t *size, int flags)
{
	socklen_t room = size != NULL ? *size : 0;

	for (;;) {
		int first = atomic_load(&first_refused);
		int connection = -1;

		if (size != NULL)
			*size = room;
		connection = accept_one(listener, address, size, flags);
		if (connection >= 0 && (first == 0 || connection < first))
			return connection;
		if (connection >= 0) {
			turn_away(connection);
			continue;
		}
		switch (errno) {
		case EMFILE:
		case ENFILE:
			if (turn_one_away(listener))
				continue;
			errno = EAGAIN;
			return -1;
		case ENOBUFS:
		case ENOMEM:
			/* The next connection is another try. */
			errno = EAGAIN;
			return -1;
		case ECONNABORTED:
		case EHOSTDOWN:
		case EHOSTUNREACH:
		case ENETDOWN:
		case ENETUNREACH:
		case ENONET:
		case ENOPROTOOPT:
		case EPERM:
		case EPROTO:
		case ETIMEDOUT:
			continue; /* that connection's own trouble */
		default:
			return -1;
		}
	}
}
