#!/bin/bash
# Generates the golden files: tests/golden/generate.sh PLUGIN DIRECTORY
set -euo pipefail
cd "$(dirname "$0")"
plugin=$1 out=$2
include="-Iproto -I/usr/include"
run="protoc $include --plugin=protoc-gen-grpc-c=$plugin"

protoc-c $include --c_out="$out" golden/options.proto golden/shapes.proto \
	golden/trial.proto golden/bare.proto
$run --grpc-c_out="includes=tree,sealed_option=golden.options.Scope.contents:$out" \
	golden/options.proto golden/shapes.proto golden/trial.proto
$run --grpc-c_out="includes=tree,prefix=old_:$out" golden/bare.proto
