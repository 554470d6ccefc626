# grpc_c_generate(TARGET file.proto ... [IMPORT_DIRS folder ...]
#                 [PARAMETERS parameter ...])
#
# Generates messages (protobuf-c's) and stubs from the .proto files and adds
# both to TARGET, with the folder that they are in as an include directory of
# the target and of what links it.
#
# A file is named as other files import it, relative to one of IMPORT_DIRS;
# without IMPORT_DIRS, to the current source directory. What the files import
# from google/protobuf, google/rpc and grpc is found besides, and the library
# has the code for it; other imports need to be among the files of this or of a
# linked target. PARAMETERS are the plugin's, such as prefix=my_.

function(grpc_c_generate target)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "IMPORT_DIRS;PARAMETERS")
	if(NOT arg_UNPARSED_ARGUMENTS)
		message(FATAL_ERROR "grpc_c_generate: no .proto file given")
	endif()
	find_program(grpc_c_PROTOC protoc REQUIRED
		DOC "protobuf's compiler (Debian: protobuf-compiler)")
	find_program(grpc_c_PROTOC_GEN_C protoc-gen-c REQUIRED
		DOC "protobuf-c's plugin of protoc (Debian: protobuf-c-compiler)")

	set(folders "")
	foreach(folder IN LISTS arg_IMPORT_DIRS)
		get_filename_component(folder ${folder} ABSOLUTE)
		list(APPEND folders ${folder})
	endforeach()
	if(NOT folders)
		set(folders ${CMAKE_CURRENT_SOURCE_DIR})
	endif()
	set(imports ${folders} ${grpc_c_PROTO_DIR})
	list(TRANSFORM imports PREPEND -I)

	set(out ${CMAKE_CURRENT_BINARY_DIR}/grpc_c_generated/${target})
	file(MAKE_DIRECTORY ${out})
	list(PREPEND arg_PARAMETERS always)
	list(JOIN arg_PARAMETERS "," parameters)
	foreach(file IN LISTS arg_UNPARSED_ARGUMENTS)
		set(path "")
		foreach(folder IN LISTS folders)
			if(NOT path AND EXISTS ${folder}/${file})
				set(path ${folder}/${file})
			endif()
		endforeach()
		if(NOT path)
			message(FATAL_ERROR
				"grpc_c_generate: there is no ${file} in ${folders}")
		endif()
		string(REGEX REPLACE "\\.proto(devel)?$" "" base ${out}/${file})
		set(outputs ${base}.pb-c.h ${base}.pb-c.c
			${base}.grpc-c.h ${base}.grpc-c.c
			${base}.descriptors.c)
		add_custom_command(
			OUTPUT ${outputs}
			COMMAND ${grpc_c_PROTOC} ${imports}
				--plugin=protoc-gen-c=${grpc_c_PROTOC_GEN_C}
				--plugin=protoc-gen-grpc-c=$<TARGET_FILE:grpc_c::protoc-gen-grpc-c>
				--dependency_out=${base}.d
				--c_out=${out}
				--grpc-c_out=${parameters}:${out}
				${file}
			DEPENDS ${path} grpc_c::protoc-gen-grpc-c
			DEPFILE ${base}.d
			COMMENT "Generating C from ${file}"
			VERBATIM)
		target_sources(${target} PRIVATE ${outputs})
	endforeach()
	target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${out}>)
endfunction()
