# Writes the installed form of public headers, and which symbols they declare.
#
#   cmake "-DHEADERS=/tree/base/buf.h;..." -DSYMBOLS=/tree/symbols.h
#         -DOUT=include/grpc_c -DEXPORTS=exports.map -P headers.cmake
#
# A header changes in three ways: what it names of base/ and rpc/ becomes
# <grpc_c/...>; its declarations become extern "C" for C++; and one of base/
# includes symbols.h.

cmake_minimum_required(VERSION 3.25)

set(exported "")
foreach(header IN LISTS HEADERS)
	get_filename_component(name ${header} NAME)
	file(READ ${header} text)

	# ---- The names of functions, for the linker ----
	string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" "" code "${text}")
	string(REGEX MATCHALL "(rpc|buf|bytes|status)_[a-z0-9_]+\\(" names
		"${code}")
	foreach(symbol IN LISTS names)
		string(REPLACE "(" "" symbol ${symbol})
		if(NOT symbol MATCHES "^rpc_")
			string(PREPEND symbol grpc_c_)
		endif()
		list(APPEND exported ${symbol})
	endforeach()

	# ---- The header ----
	string(REGEX REPLACE "#include \"(base|rpc)/([a-z0-9_]+\\.h)\""
		"#include <grpc_c/\\2>" text "${text}")
	string(REGEX REPLACE "(base|rpc)/([a-z0-9_]+\\.h)" "grpc_c/\\2"
		text "${text}")
	set(begin "#ifdef __cplusplus\nextern \"C\" {\n#endif\n")
	set(end "#ifdef __cplusplus\n}\n#endif\n\n#endif\n")
	if(header MATCHES "/base/[a-z0-9_]+\\.h$")
		string(PREPEND begin "#include <grpc_c/symbols.h>\n\n")
	endif()
	# After the last include; a header without one, after its guard.
	string(FIND "${text}" "#include" at REVERSE)
	if(at EQUAL -1)
		string(FIND "${text}" "#define" at)
	endif()
	string(SUBSTRING "${text}" 0 ${at} head)
	string(SUBSTRING "${text}" ${at} -1 tail)
	string(FIND "${tail}" "\n" line_end)
	math(EXPR line_end "${line_end} + 1")
	string(SUBSTRING "${tail}" 0 ${line_end} line)
	string(SUBSTRING "${tail}" ${line_end} -1 body)
	if(NOT body MATCHES "\n#endif\n$")
		message(FATAL_ERROR "${header}: does not end with its guard")
	endif()
	string(REGEX REPLACE "\n#endif\n$" "\n" body "${body}")
	file(WRITE ${OUT}/${name}
		"${head}${line}\n${begin}${body}${end}")
endforeach()
file(COPY_FILE ${SYMBOLS} ${OUT}/symbols.h)

list(REMOVE_DUPLICATES exported)
list(SORT exported)
list(JOIN exported ";\n\t\t" exported)
file(WRITE ${EXPORTS} "{
	global:
		google__*;
		grpc__*;
		${exported};
	local:
		*;
};
")
