#!/bin/bash
# Checks who includes whom, as the table in HACKING.md allows it, and that the
# server is not linked with what opens end-to-end messages.
#
#   tools/check-includes.sh [peykd]    peykd: also look at that binary's symbols
set -euo pipefail
cd "$(dirname "$0")/.."

system='std(arg|atomic|bool|def|int|io|lib)|assert|ctype|endian|errno|fcntl|
	inttypes|limits|locale|math|poll|pthread|pwd|sched|setjmp|signal|string|
	strings|syslog|termios|threads|time|uchar|unistd|wchar|wctype|getopt|
	arpa/.*|net/.*|netdb|netinet/.*|sys/.*|langinfo|paths|spawn|dirent|grp'
system=$(tr -d ' \t\n' <<<"$system")

# folder | own headers it may include | foreign headers it may include
rules='
base;base/;sodium utf8proc
crypto;base/ crypto/;openssl/ sodium
wire;base/ crypto/ wire/ gen/peyk/v1/[a-z0-9]+\.pb-c;protobuf-c/ malloc
channel;base/ crypto/ wire/ channel/ gen/peyk/v1/[a-z0-9]+\.pb-c;protobuf-c/
e2ee;base/ crypto/ wire/ e2ee/ gen/peyk/v1/[a-z0-9]+\.pb-c;
rpc/example;hello\.;grpc_c/
rpc;base/ rpc/ gen/(grpc|google)/;grpc/ protobuf-c/ openssl/ zlib malloc
server/store;base/ server/store/;libpq-fe postgresql/
server;base/ crypto/ wire/ channel/ rpc/ gen/ server/;
client;base/ crypto/ wire/ channel/ e2ee/ rpc/ gen/ client/;sqlcipher/ jansson editline/ histedit qrencode
'

failed=0
complain() { echo "$*" >&2; failed=1; }

while IFS=';' read -r folder own foreign; do
	[ -n "$folder" ] && [ -d "$folder" ] || continue
	own_pattern="^($(tr ' ' '|' <<<"$own"))"
	foreign_pattern="^(${foreign:+$(tr ' ' '|' <<<"$foreign")|}($system)\.h$)"
	while IFS=: read -r file line include; do
		case $folder:$file in
		server:server/store/* | rpc:rpc/example/*) continue ;;
		esac
		case $include in
		*\"*)
			name=${include#*\"}; name=${name%\"*}
			[[ $name =~ $own_pattern ]] ||
				complain "$file:$line: $folder may not include $name"
			;;
		*)
			name=${include#*<}; name=${name%>*}
			[[ $name =~ $foreign_pattern ]] ||
				complain "$file:$line: $folder may not include <$name>"
			;;
		esac
	done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include' "$folder" \
		--include='*.c' --include='*.h' || true)
done <<<"$rules"

# One name, one file: a reader who searches for it finds one place.
twice=$(git ls-files '*.c' '*.h' | grep -Ev '^(gen|tests|bench)/' |
	sed 's|.*/||' | grep -v '^main\.c$' | sort | uniq -d)
[ -z "$twice" ] || complain "base names used twice: $twice"

# `|| true`: nm fails on a stripped binary, which then shows nothing at all.
if [ $# -gt 0 ]; then
	symbols=$(nm "$1" || true)
	[ -n "$symbols" ] || complain "$1: no symbols to look at"
	! grep -q ' e2ee_' <<<"$symbols" ||
		complain "$1: links e2ee, which opens messages"
	grep -q ' channel_' <<<"$symbols" ||
		complain "$1: expected channel_ symbols; is this peykd?"
fi

exit $failed
