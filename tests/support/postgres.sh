#!/bin/bash
# A private PostgreSQL for tests: on a Unix socket, nothing on TCP.
#
#   postgres.sh start DIR     create the cluster if there is none, start it, and
#                             print the connection string of an empty database
#   postgres.sh stop DIR      stop it (immediate: as a crash, but at once)
#   postgres.sh restart DIR   stop and start
#   postgres.sh kill DIR      SIGKILL, as if the machine's power had failed
#   postgres.sh run COMMAND…  start one in a temporary folder, run the command
#                             with PEYK_TEST_DATABASE (connection string) and
#                             PEYK_TEST_POSTGRES (DIR) set, and remove it all,
#                             even when this script is killed
#   postgres.sh schema CONNINFO   print the schema as db/schema.sql has it
#
# PostgreSQL refuses to run as root; then it runs as the user postgres, who has
# to be able to reach DIR (mode 0755 all the way down).
set -euo pipefail

bin=${PEYK_POSTGRES_BIN:-/usr/lib/postgresql/15/bin}
self=$(readlink -f "$0")

if [ "$(id -u)" -eq 0 ]; then
	as_owner() { runuser -u postgres -- "$@"; }
else
	as_owner() { "$@"; }
fi

create() {
	[ -s "$1/data/PG_VERSION" ] && return
	mkdir -p "$1"
	chmod 755 "$1"
	[ "$(id -u)" -ne 0 ] || chown postgres "$1"
	as_owner "$bin/initdb" -D "$1/data" -U postgres -A trust -E UTF8 \
		--locale=C.UTF-8 --no-sync --no-instructions >"$1/initdb.log" 2>&1
	as_owner sh -c "cat >>'$1/data/postgresql.conf'" <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$1'
		max_connections = 60
		shared_buffers = 32MB
		log_line_prefix = '%m [%p] %a %e '
		log_min_messages = warning
	CONF
}

# After a kill the old processes may hold the shared memory for a moment.
start() {
	local try
	create "$1"
	for try in 1 2 3 4 5 6 7 8 9 10; do
		if as_owner "$bin/pg_ctl" -D "$1/data" -w -t 60 -s \
			-l "$1/log" start >/dev/null 2>&1 </dev/null; then
			break
		fi
		if [ "$try" = 10 ]; then
			tail -n 20 "$1/log" >&2
			exit 1
		fi
		sleep 0.3
	done
	printf 'host=%s user=postgres dbname=postgres\n' "$1"
}

stop() {
	as_owner "$bin/pg_ctl" -D "$1/data" -w -s -m immediate stop \
		>/dev/null 2>&1 || true
}

kill_all() {
	local postmaster
	postmaster=$(head -n 1 "$1/data/postmaster.pid")
	kill -KILL $(pgrep -P "$postmaster") "$postmaster" 2>/dev/null || true
	timeout 10 tail -f /dev/null --pid="$postmaster"
}

run() {
	local dir
	dir=$(mktemp -d /tmp/peyk-postgres.XXXXXX)
	# Outlives us whatever happens, so nothing stays behind.
	setsid bash -c 'tail -f /dev/null --pid="$1"; "$2" stop "$3"; rm -rf "$3"' \
		watch $$ "$self" "$dir" </dev/null >/dev/null 2>&1 &
	PEYK_TEST_DATABASE=$(start "$dir")
	export PEYK_TEST_DATABASE PEYK_TEST_POSTGRES=$dir
	exec "$@"
}

# Without what depends on the version of PostgreSQL and on the cluster.
schema() {
	"$bin/pg_dump" --schema-only --no-owner --no-privileges -d "$1" |
		sed -e '/^-- Dumped /d' -e '/^\\\(un\)\?restrict /d' | cat -s
}

case ${1:-} in
start) start "$2" ;;
stop) stop "$2" ;;
restart) stop "$2"; start "$2" ;;
kill) kill_all "$2" ;;
run) shift; run "$@" ;;
schema) schema "$2" ;;
*)
	sed -n '2,17s/^# \{0,1\}//p' "$self" >&2
	exit 2
	;;
esac
