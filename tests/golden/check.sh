#!/bin/bash
# Generates anew and requires no difference from what is committed (C7).
#
#   check.sh golden PLUGIN    tests/golden/expected
#   check.sh gen PLUGIN       gen/
#   check.sh errors PLUGIN    what the generator refuses, and how
#
# 77: skipped, since this machine's protoc is not the one of the project.
set -euo pipefail
cd "$(dirname "$0")/../.."
what=$1 plugin=$2
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

case "$(protoc-c --version 2>/dev/null | tr '\n' ' ')" in
"protobuf-c 1.4.1 libprotoc 3.21.12 ") ;;
*) echo "skipped: no protoc-c 1.4.1 with protoc 3.21.12"; exit 77 ;;
esac

# refuses TEXT PARAMETER: what stdin holds is refused with that text.
refuses() {
	local said
	cat >"$temporary/wrong.proto"
	if said=$(protoc -I"$temporary" -Itests/golden/proto -I/usr/include \
			--plugin=protoc-gen-grpc-c="$plugin" \
			--grpc-c_out="$2:$temporary" wrong.proto 2>&1); then
		echo "not refused: $1" >&2
		exit 1
	fi
	case $said in
	*"$1"*) ;;
	*) echo "refused otherwise than '$1': $said" >&2; exit 1 ;;
	esac
}

case $what in
golden)
	tests/golden/generate.sh "$plugin" "$temporary"
	diff -ru tests/golden/expected "$temporary"
	;;
gen)
	tools/gen.sh --plugin "$plugin" --out "$temporary"
	diff -ru -x CMakeLists.txt gen "$temporary"
	diff <(tools/gen.sh --list | sort) \
		<(cd "$temporary" && find * -type f | sort)
	;;
errors)
	service='message M {} service S { rpc A(M) returns (M);'
	refuses "unknown parameter colour=red" colour=red <<<"
		syntax = \"proto3\"; $service }"
	refuses "describe=nowhere.proto: give protoc that file" \
		describe=nowhere.proto <<<"
		syntax = \"proto3\"; $service }"
	refuses "two things would be called wrong_descriptors" "" <<<"
		syntax = \"proto3\"; $service }
		service Wrong { rpc Descriptors(M) returns (M); }"
	refuses "two things would be called s_a_start" "" <<<"
		syntax = \"proto3\"; $service rpc A_start(M) returns (M); }"
	refuses "two things would be called s_methods" "" <<<"
		syntax = \"proto3\"; $service rpc Methods(M) returns (M); }"
	refuses "two things would be called s_handlers.a in C" "" <<<"
		syntax = \"proto3\"; $service rpc a(M) returns (M); }"
	refuses "two things would be called s_handlers.delete_" "" <<<"
		syntax = \"proto3\"; $service rpc Delete(M) returns (M);
		rpc delete_(M) returns (M); }"
	refuses "a member \`register\`, which is a word of C" "" <<<"
		syntax = \"proto3\"; $service rpc Register(M) returns (M); }"
	refuses "a member \`int\`, which is a word of C" "" <<<"
		syntax = \"proto3\"; $service rpc int(stream M) returns (M); }"
	refuses "message Nowhere is not defined" \
		sealed_option=golden.options.Scope.contents <<<"
		syntax = \"proto3\"; import \"golden/options.proto\";
		$service rpc B(M) returns (M) {
			option (golden.options.Scope.contents) =
				{request: \"M\" response: \"Nowhere\"}; } }"
	refuses "does not name both its messages" \
		sealed_option=golden.options.Scope.contents <<<"
		syntax = \"proto3\"; import \"golden/options.proto\";
		$service rpc B(M) returns (M) {
			option (golden.options.Scope.contents) =
				{request: \"M\"}; } }"
	refuses "sealed and streams" \
		sealed_option=golden.options.Scope.contents <<<"
		syntax = \"proto3\"; import \"golden/options.proto\";
		$service rpc B(M) returns (stream M) {
			option (golden.options.Scope.contents) =
				{request: \"M\" response: \"M\"}; } }"
	refuses "wrong.flat is no message" sealed_option=wrong.flat <<<"
		syntax = \"proto3\"; package wrong;
		import \"google/protobuf/descriptor.proto\";
		extend google.protobuf.MethodOptions { string flat = 50000; }
		$service }"
	malformed() {
		local code=0
		"$plugin" >/dev/null 2>"$temporary/said" || code=$?
		if [ $code != 1 ] || ! grep -q malformed "$temporary/said"; then
			echo "$1: exit $code, not refused as malformed" >&2
			exit 1
		fi
	}
	malformed "no request" <<<"no request at all"
	# proto_file { message_type { nested_type { nested_type { ...
	/usr/bin/python3 - >"$temporary/deep" <<-'END'
		import sys
		heads, size = [], 0
		for tag in [b"\x1a"] * 100000 + [b"\x22", b"\x7a"]:
		    head, rest = tag, size
		    while rest >= 128:
		        head, rest = head + bytes([rest & 127 | 128]), rest >> 7
		    heads.append(head + bytes([rest]))
		    size += len(heads[-1])
		sys.stdout.buffer.write(b"".join(reversed(heads)))
	END
	malformed "100,000 nested messages" <"$temporary/deep"
	;;
*)
	echo "check.sh: golden, gen or errors?" >&2
	exit 2
	;;
esac
