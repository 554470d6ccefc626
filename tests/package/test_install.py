"""The installed library: what is in it, and programs that are built on it."""

import concurrent.futures
import pathlib
import re
import subprocess
import sys
import unittest

import grpc

from installed import (BUILD, CC, EXAMPLE, FLAGS, ROOT, SANITIZE,
                       build_with_cmake, copy_example, environment, install,
                       libdir, new_dir, pkg_config, pkg_environment, run,
                       serving, tells)

# Names that the linker may see.
SYMBOL = re.compile(r"(rpc|grpc_c|grpc_health_v1|grpc_reflection_v1(alpha)?)_|"
                    r"(google|grpc)__")

# A program that has functions of the names that the library has inside.
CLASH = """
#include <stdio.h>

int buf_init(void) { return 1; }
int bytes_equal(void) { return 2; }
int clock_monotonic_ms(void) { return 3; }
int secret_wipe(void) { return 4; }
int status_name(void) { return 5; }

int use_library(void);

int
main(void)
{
	printf("%d %d\\n", use_library(), buf_init() + bytes_equal() +
	    clock_monotonic_ms() + secret_wipe() + status_name());
	return 0;
}
"""
USE = """
#include <string.h>

#include <grpc_c/buf.h>
#include <grpc_c/status_details.h>

int use_library(void);

int
use_library(void)
{
	struct buf details;
	enum status st;
	int is_right;
	uint64_t delay_ms = 0;

	buf_init(&details, 1000);
	st = rpc_status_details_retry(
	    RPC_CODE_UNAVAILABLE, "later", 1500, &details);
	if (st == STATUS_OK)
		st = rpc_status_details_find_retry(
		    buf_bytes(&details), &delay_ms);
	is_right = st == STATUS_OK && delay_ms == 1500 &&
	    strcmp(status_name(st), "ok") == 0 &&
	    bytes_equal(BYTES_LITERAL("x"), bytes_from_string("x"));
	buf_clear(&details);
	return is_right;
}
"""


def defined(*args):
    """Global symbols that a library defines."""
    out = run(["nm", "-g", "--defined-only", *args]).expect(0).out
    return {line.split()[2] for line in out.splitlines()
            if len(line.split()) == 3}


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prefix = install("grpc_c")

    def test_nothing_tells_where_it_was_built(self):
        self.assertGreater(len(list(self.prefix.rglob("*"))), 30)
        self.assertEqual(tells(self.prefix, BUILD, ROOT, "/opt/first"), [])

    def test_headers_are_those_of_the_front_page(self):
        installed = {path.name for path in
                     (self.prefix / "include/grpc_c").glob("*.h")}
        readme = (ROOT / "rpc/README.md").read_text()
        table = re.search(r"^\| header \|.*?\n\n", readme, re.M | re.S)[0]
        # Two are for generated code and for other headers alone.
        self.assertEqual(installed - {"stub.h", "symbols.h"},
                         set(re.findall(r"`(\w+\.h)`", table)))

    def test_each_header_compiles_alone_in_c_and_cpp(self):
        flags = pkg_config(self.prefix, "--cflags")
        headers = sorted((self.prefix / "include").rglob("*.h"))
        self.assertGreater(len(headers), 20)
        def check(compiler, headers):
            language = ["-x", "c++", "-std=c++17"] \
                if "++" in compiler else ["-x", "c", "-std=c11"]
            includes = [arg for header in headers
                        for arg in ("-include", header)]
            run([compiler, *language, "-fsyntax-only", "-Wall", "-Wextra",
                 "-Werror", *flags, *includes, "/dev/null"]).expect(0)

        for header in headers:
            check("gcc", [header])
            check("g++", [header])
        check("clang", headers)
        check("clang++", headers)

    def test_symbols_have_the_librarys_prefix(self):
        static = defined(libdir(self.prefix) / "libgrpc_c.a")
        self.assertIn("rpc_server_new", static)
        self.assertIn("grpc_c_buf_init", static)
        # Otherwise: rename it, or name it in private_symbols.h.
        self.assertEqual(
            [name for name in static if not SYMBOL.match(name)
             and not name.startswith("__")], [])

        shared = defined("-D", libdir(self.prefix) / "libgrpc_c.so")
        text = "".join(
            path.read_text()
            for path in (self.prefix / "include/grpc_c").glob("*.h"))
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        declared = set(re.findall(r"\b((?:rpc|buf|bytes|status)_\w+)\(", text))
        declared = {name if name.startswith("rpc_") else "grpc_c_" + name
                    for name in declared}
        exported = {name for name in shared
                    if name.startswith(("rpc_", "grpc_c_"))}
        # Function types and inline functions are declared and not exported.
        self.assertEqual(exported - declared, set())
        self.assertEqual(
            declared - exported,
            {"rpc_server_call_fn", "rpc_server_call_message_fn",
             "rpc_server_invoke", "grpc_c_buf_bytes", "grpc_c_bytes_make",
             "grpc_c_bytes_empty"})
        self.assertEqual({name for name in shared
                          if not name.startswith(("rpc_", "grpc_c_", "__"))
                          and not re.match("(google|grpc)__", name)}, set())

    def test_a_program_may_have_functions_of_the_same_names(self):
        folder = new_dir("clash")
        (folder / "clash.c").write_text(CLASH)
        (folder / "use.c").write_text(USE)
        lib = libdir(self.prefix)
        for name, libs in (
                ("shared", [*pkg_config(self.prefix, "--libs"),
                            f"-Wl,-rpath,{lib}"]),
                ("static", [lib / "libgrpc_c.a", *(
                    arg for arg in pkg_config(
                        self.prefix, "--libs", "--static")
                    if arg != "-lgrpc_c")])):
            run([CC, *FLAGS.split(), *pkg_config(self.prefix, "--cflags"),
                 "-o", folder / name, folder / "clash.c", folder / "use.c",
                 *libs]).expect(0)
            self.assertEqual(run([folder / name]).expect(0).out, "1 15\n")

    def test_a_program_in_cpp(self):
        folder = new_dir("cpp")
        (folder / "use.cc").write_text(
            USE.replace("int use_library", 'extern "C" int use_library', 1)
            + "int main() { return use_library() == 1 ? 0 : 1; }\n")
        for compiler in ("g++", "clang++"):
            if SANITIZE and ("clang" in compiler) != ("clang" in CC):
                continue  # their sanitizers do not mix
            run([compiler, "-std=c++17", *FLAGS.split(),
                 *pkg_config(self.prefix, "--cflags"), "-o",
                 folder / compiler, folder / "use.cc",
                 *pkg_config(self.prefix, "--libs"),
                 f"-Wl,-rpath,{libdir(self.prefix)}"]).expect(0)
            run([folder / compiler]).expect(0)


class Example(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prefix = install("grpc_c")
        cls.folder = copy_example()
        cls.build = build_with_cmake(cls.folder, cls.prefix)
        # Python's messages of the same .proto file.
        python = new_dir("python")
        run(["protoc", f"-I{cls.folder}", f"--python_out={python}",
             "hello.proto"]).expect(0)
        sys.path.insert(0, str(python))

    def greet(self, client, port):
        self.assertEqual(
            run([client, f"127.0.0.1:{port}", "C", "2"]).expect(0).lines,
            ["Hello, C!"] * 3)

    def test_speaks_with_itself(self):
        with serving(self.build / "hello_server") as port:
            self.greet(self.build / "hello_client", port)

    def test_serves_python(self):
        import hello_pb2
        with serving(self.build / "hello_server") as port, \
                grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            once = channel.unary_unary(
                "/hello.v1.Greeter/SayHello",
                hello_pb2.HelloRequest.SerializeToString,
                hello_pb2.HelloReply.FromString)
            often = channel.unary_stream(
                "/hello.v1.Greeter/SayHelloOften",
                hello_pb2.HelloOftenRequest.SerializeToString,
                hello_pb2.HelloReply.FromString)
            request = hello_pb2.HelloRequest(name="Python")
            self.assertEqual(once(request, timeout=30).text, "Hello, Python!")
            request = hello_pb2.HelloOftenRequest(name="P", times=100)
            self.assertEqual(
                [reply.text for reply in often(request, timeout=30)],
                ["Hello, P!"] * 100)

    def test_tells_its_health(self):
        with serving(self.build / "hello_server") as port, \
                grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check",
                                        bytes, bytes)
            self.assertEqual(check(b"\x0a\x10hello.v1.Greeter", timeout=30),
                             b"\x08\x01")

    def test_reflects_itself(self):
        with serving(self.build / "hello_server") as port, \
                grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            reflect = channel.stream_stream(
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                bytes, bytes)
            # list_services; file_containing_symbol.
            lists, file = reflect(iter([
                b"\x3a\x00", b"\x22\x10hello.v1.Greeter"]), timeout=30)
            self.assertIn(b"hello.v1.Greeter", lists)
            self.assertIn(b"HelloOftenRequest", file)

    def test_asks_python(self):
        import hello_pb2

        def reply(name):
            return hello_pb2.HelloReply(text=f"Hello, {name}!")

        def often(request, context):
            self.assertLess(context.time_remaining(), 5.1)
            for _ in range(request.times):
                yield reply(request.name)

        class Greeter(grpc.GenericRpcHandler):
            def service(self, details):
                if details.method == "/hello.v1.Greeter/SayHello":
                    return grpc.unary_unary_rpc_method_handler(
                        lambda request, context: reply(request.name),
                        hello_pb2.HelloRequest.FromString,
                        hello_pb2.HelloReply.SerializeToString)
                return grpc.unary_stream_rpc_method_handler(
                    often, hello_pb2.HelloOftenRequest.FromString,
                    hello_pb2.HelloReply.SerializeToString)

        server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers((Greeter(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            self.greet(self.build / "hello_client", port)
        finally:
            server.stop(None)

    def test_make_and_pkg_config(self):
        folder = copy_example()
        run(["make", "-C", folder, f"CC={CC} {FLAGS}"],
            env=pkg_environment(self.prefix)).expect(0)
        with serving(folder / "hello_server") as port:
            self.greet(folder / "hello_client", port)

    def test_static_library(self):
        folder = copy_example()
        recipe = folder / "CMakeLists.txt"
        text = recipe.read_text()
        changed = text.replace("grpc_c::grpc_c)", "grpc_c::grpc_c_static)"
                               ).replace("REQUIRED)",
                                         "REQUIRED COMPONENTS static)")
        self.assertNotEqual(text, changed)
        recipe.write_text(changed)
        build = build_with_cmake(folder, self.prefix)
        needed = run(["readelf", "-d", build / "hello_server"]).out
        self.assertIn("libgrpc.so", needed)
        self.assertNotIn("libgrpc_c", needed)
        with serving(build / "hello_server") as port:
            self.greet(build / "hello_client", port)

    def test_a_change_of_the_proto_file_is_built(self):
        folder = self.folder
        proto = folder / "hello.proto"
        before = proto.read_text()
        proto.write_text(before.replace(
            "string text = 1;", "string text = 1; int32 more = 2;"))
        try:
            run(["cmake", "--build", self.build], timeout=120).expect(0)
            self.assertIn("int32_t more;", (
                self.build / "grpc_c_generated/hello_stubs/hello.pb-c.h").read_text())
        finally:
            proto.write_text(before)
            run(["cmake", "--build", self.build], timeout=120).expect(0)


    def test_generates_from_many_files(self):
        """Imports, folders, files without services, and a parameter."""
        folder = new_dir("many")
        protos = ROOT / "tests/golden/proto"
        (folder / "error.proto").write_text(
            'syntax = "proto3"; package many; import '
            '"google/rpc/error_details.proto"; message Error '
            "{ google.rpc.RetryInfo retry = 1; }")
        (folder / "CMakeLists.txt").write_text(f"""
            cmake_minimum_required(VERSION 3.25)
            project(many LANGUAGES C)
            find_package(grpc_c REQUIRED)
            add_library(messages STATIC)
            grpc_c_generate(messages
                golden/every.proto golden/second.proto golden/oneofs.proto
                golden/shapes.proto golden/passed_on.proto error.proto
                IMPORT_DIRS {protos} ${{CMAKE_CURRENT_SOURCE_DIR}})
            target_link_libraries(messages PUBLIC grpc_c::grpc_c)
            add_executable(many main.c)
            grpc_c_generate(many golden/services.proto
                IMPORT_DIRS {protos} PARAMETERS prefix=my_)
            target_link_libraries(many PRIVATE messages)
            """)
        (folder / "main.c").write_text("""
            #include <string.h>
            #include "error.pb-c.h"
            #include "golden/services.grpc-c.h"
            int main(void)
            {
                Many__Error error = MANY__ERROR__INIT;
                return error.retry != NULL ||
                    strcmp(my_every_ping_method.name, "Ping") != 0;
            }""")
        build = build_with_cmake(folder, self.prefix)
        run([build / "many"]).expect(0)


class Programs(unittest.TestCase):
    def test_messenger(self):
        prefix = install("messenger")
        self.assertEqual(
            sorted(str(path.relative_to(prefix))
                   for path in prefix.rglob("*") if path.is_file()),
            ["bin/peyk", "sbin/peykd",
             "share/bash-completion/completions/peyk"])
        for program in ("bin/peyk", "sbin/peykd"):
            self.assertIn("0.", run([prefix / program, "--version"],
                                    env=environment(
                                        HOME=prefix)).expect(0).out)
        self.assertEqual(tells(prefix, BUILD, ROOT), [])


if __name__ == "__main__":
    unittest.main()
