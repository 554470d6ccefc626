# Every library that the tree links, each as an imported target.
# tools/install-packages lists the Debian packages they come from.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# All that rpc and its generator need.
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(GRPC REQUIRED IMPORTED_TARGET grpc)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)

if(PEYK_MESSENGER)
	pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
	pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
	pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq)
	pkg_check_modules(SQLCIPHER REQUIRED IMPORTED_TARGET sqlcipher)
	pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
	pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)
	pkg_check_modules(QRENCODE REQUIRED IMPORTED_TARGET libqrencode)
endif()
if(PEYK_TESTS AND PEYK_MESSENGER)
	pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()
