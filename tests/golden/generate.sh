#!/bin/bash
# Generates the golden files: tests/golden/generate.sh PLUGIN DIRECTORY
set -euo pipefail
cd "$(dirname "$0")"
plugin=$1 out=$2
include="-Iproto -I/usr/include"
run="protoc $include --plugin=protoc-gen-grpc-c=$plugin"

protoc-c $include --c_out="$out" golden/options.proto golden/shapes.proto \
	golden/trial.proto golden/bare.proto golden/every.proto \
	golden/oneofs.proto golden/passed_on.proto golden/second.proto \
	golden/services.proto
$run --grpc-c_out="includes=tree,sealed_option=golden.options.Scope.contents:$out" \
	golden/options.proto golden/shapes.proto golden/trial.proto
$run --grpc-c_out="includes=tree,prefix=old_:$out" golden/bare.proto
$run --grpc-c_out="includes=tree:$out" golden/every.proto golden/services.proto

# Values of those messages, as protobuf itself writes them.
encode() { # encode MESSAGE FILE VALUES
	protoc $include --encode="$1" "golden/$2.proto" \
		<"values/$3.txtpb" >"$out/golden/$3.binpb" 2>/dev/null
}
encode golden.every_kind.of.Thing_v3.Everything every everything
encode golden.second.v1.Old second old
