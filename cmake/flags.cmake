# One INTERFACE target carries the flags of the whole tree.
# The hardening set is the OpenSSF compiler guide's, less what gcc 12 lacks.

add_library(peyk_flags INTERFACE)
add_library(peyk::flags ALIAS peyk_flags)

target_include_directories(peyk_flags INTERFACE
	$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
target_compile_definitions(peyk_flags INTERFACE _GNU_SOURCE)
target_compile_options(peyk_flags INTERFACE
	-Wall -Wextra -Wconversion -Wshadow -Wvla -Wstrict-prototypes
	-Wmissing-prototypes -Wformat=2 -Wformat-security -Wundef
	$<$<BOOL:${PEYK_WERROR}>:-Werror>
	-fstack-protector-strong -fstack-clash-protection
	-fno-delete-null-pointer-checks
	# Clang before 16 refuses this one without a second flag.
	$<$<NOT:$<AND:$<C_COMPILER_ID:Clang>,$<VERSION_LESS:$<C_COMPILER_VERSION>,16>>>:-ftrivial-auto-var-init=zero>
	-fcf-protection=full
	# What is installed does not tell where it was built; asserts and
	# debuggers name files from the top of the tree.
	-ffile-prefix-map=${PROJECT_BINARY_DIR}=.
	-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

# Position-independent programs; every relocation bound at start.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
target_link_options(peyk_flags INTERFACE
	-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

if(PEYK_SANITIZE)
	target_compile_options(peyk_flags INTERFACE
		-fsanitize=${PEYK_SANITIZE} -fno-omit-frame-pointer
		-fno-sanitize-recover=all)
	target_link_options(peyk_flags INTERFACE -fsanitize=${PEYK_SANITIZE})
else()
	# Makes overflow wrap, which would hide it from UBSan.
	target_compile_options(peyk_flags INTERFACE -fno-strict-overflow)
endif()
if(NOT PEYK_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
	# Needs optimisation, and hides errors from the sanitizers.
	target_compile_options(peyk_flags INTERFACE
		-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()

if(PEYK_CRASH_POINTS)
	target_compile_definitions(peyk_flags INTERFACE PEYK_CRASH_POINTS=1)
endif()

# peyk_library(NAME folder SOURCES ... LINKS ...): one static library a folder.
function(peyk_library name)
	cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
	add_library(peyk_${name} STATIC ${ARG_SOURCES})
	add_library(peyk::${name} ALIAS peyk_${name})
	target_link_libraries(peyk_${name}
		PUBLIC peyk::flags ${ARG_PUBLIC}
		PRIVATE ${ARG_PRIVATE})
endfunction()
