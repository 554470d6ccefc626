#!/bin/bash
# Generates gen/ from proto/: messages (protoc-c); stubs, skeletons and the
# descriptors that reflection serves (our plugin).
#
#   tools/gen.sh [--plugin FILE] [--out DIRECTORY] [--list]
#
# --plugin  protoc-gen-grpc-c; otherwise that of build/, or the one in PATH
# --out     where to write; otherwise gen/
# --list    only print which files are made
#
# The output is committed, so other versions than these are refused.
set -euo pipefail
cd "$(dirname "$0")/.."

protoc_version=3.21.12
protoc_c_version=1.4.1

plugin= out=gen list=
while [ $# -gt 0 ]; do
	case $1 in
	--plugin) plugin=$2; shift 2 ;;
	--out) out=$2; shift 2 ;;
	--list) list=1; shift ;;
	*) echo "usage: tools/gen.sh [--plugin FILE] [--out DIRECTORY] [--list]" >&2
	   exit 2 ;;
	esac
done

# Of google/protobuf, what ours and the plugin itself need, and what is so
# common in other people's services that the library has the code for it.
messages='
google/protobuf/any.proto
google/protobuf/compiler/plugin.proto
google/protobuf/descriptor.proto
google/protobuf/duration.proto
google/protobuf/empty.proto
google/protobuf/field_mask.proto
google/protobuf/struct.proto
google/protobuf/timestamp.proto
google/protobuf/wrappers.proto
google/rpc/error_details.proto
google/rpc/status.proto
'
# What rpc itself serves.
rpc='
grpc/health/v1/health.proto
grpc/reflection/v1/reflection.proto
grpc/reflection/v1alpha/reflection.proto
'
own=$(cd proto && ls peyk/v1/*.proto)
services=$(cd proto && grep -l '^service ' $rpc $own)
# Messages that no import leads to from the services: they travel inside sealed
# payloads, ciphertexts and the details of a status.
described='
google/rpc/error_details.proto
google/rpc/status.proto
peyk/v1/e2ee.proto
'

if [ -n "$list" ]; then
	for file in $messages $rpc $own; do
		echo "${file%.proto}.pb-c.c"
		echo "${file%.proto}.pb-c.h"
	done
	for file in $services; do
		echo "${file%.proto}.grpc-c.c"
		echo "${file%.proto}.grpc-c.h"
		echo "${file%.proto}.descriptors.c"
	done
	exit 0
fi

need() { # need PROGRAM VERSION FIRST-LINE
	case $3 in
	*" $2") echo "$3" ;;
	*) echo "gen.sh: needs $1 $2, but this is: $3" >&2; exit 1 ;;
	esac
}
need protoc "$protoc_version" "$(protoc --version)"
need protoc-c "$protoc_c_version" "$(protoc-c --version | head -n 1)"

if [ -z "$plugin" ]; then
	plugin=build/tools/protoc-gen-grpc-c/protoc-gen-grpc-c
	[ -x "$plugin" ] || plugin=$(command -v protoc-gen-grpc-c) || {
		echo "gen.sh: build protoc-gen-grpc-c first, or give --plugin" >&2
		exit 1
	}
fi

# proto/ first; google/protobuf's own files are the system's.
include="-Iproto -I/usr/include"
mkdir -p "$out"
protoc-c $include --c_out="$out" $messages $rpc $own
stubs() { # stubs PARAMETERS FILE...
	local parameters=$1
	shift
	protoc $include --plugin=protoc-gen-grpc-c="$plugin" \
		--grpc-c_out="includes=tree,$parameters:$out" "$@"
}
for file in $rpc; do
	# grpc/health/v1/health.proto: grpc_health_v1_
	folder=${file%/*}
	stubs "prefix=${folder//\//_}_" "$file"
done
# Stubs need the files that define what sealed methods carry, too.
stubs "sealed_option=peyk.v1.payload$(printf ',describe=%s' $described)" \
	$own $described
