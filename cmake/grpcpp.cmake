# gRPC's own C++ library, for what is compared with ours or must get along
# with it. Nothing else in the tree needs a C++ compiler.
#
#   if(PEYK_GRPCPP_FOUND)
#       peyk_grpcpp_library(NAME ROOT directory PROTOS a/b.proto ...)
#
# makes a library of protoc's C++ messages and gRPC's C++ stubs, to be included
# as "a/b.grpc.pb.h". ROOT is what the names of the files begin at.
#
# Included once, at the top: CMake wants a language to be enabled above whatever
# uses it, and fails when it configures again otherwise.

set(PEYK_GRPCPP_FOUND FALSE)
include(CheckLanguage)
check_language(CXX)
if(CMAKE_CXX_COMPILER)
	enable_language(CXX)
	pkg_check_modules(GRPCPP QUIET IMPORTED_TARGET grpc++ protobuf)
	find_program(PEYK_PROTOC protoc)
	find_program(PEYK_GRPC_CPP_PLUGIN grpc_cpp_plugin)
	mark_as_advanced(PEYK_PROTOC PEYK_GRPC_CPP_PLUGIN)
	if(GRPCPP_FOUND AND PEYK_PROTOC AND PEYK_GRPC_CPP_PLUGIN)
		set(PEYK_GRPCPP_FOUND TRUE)
	endif()
endif()

function(peyk_grpcpp_library name)
	cmake_parse_arguments(ARG "" "ROOT" "PROTOS" ${ARGN})
	set(out ${CMAKE_CURRENT_BINARY_DIR}/${name})
	set(made "")
	foreach(proto IN LISTS ARG_PROTOS)
		string(REGEX REPLACE "\\.proto$" "" stem ${proto})
		set(files ${out}/${stem}.pb.cc ${out}/${stem}.pb.h
			${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
		add_custom_command(OUTPUT ${files}
			COMMAND ${CMAKE_COMMAND} -E make_directory ${out}
			COMMAND ${PEYK_PROTOC} -I${ARG_ROOT} -I/usr/include
				--cpp_out=${out} --grpc_out=${out}
				--plugin=protoc-gen-grpc=${PEYK_GRPC_CPP_PLUGIN}
				${proto}
			DEPENDS ${ARG_ROOT}/${proto}
			VERBATIM)
		list(APPEND made ${files})
	endforeach()
	add_library(${name} STATIC ${made})
	target_compile_features(${name} PUBLIC cxx_std_17)
	target_include_directories(${name} SYSTEM PUBLIC ${out})
	target_link_libraries(${name} PUBLIC PkgConfig::GRPCPP Threads::Threads)
	# protoc writes what warnings refuse.
	target_compile_options(${name} PRIVATE -w)
endfunction()
