# Writes a C file with migration_embedded() (server/store/migration.h).
#
#   cmake -DOUT=file.c "-DFILES=a.sql;b.sql" -P embed-migrations.cmake

set(arrays "")
set(entries "")
foreach(file IN LISTS FILES)
	get_filename_component(name ${file} NAME)
	if(NOT name MATCHES "^([0-9]+)_[a-z0-9_]+\\.sql$")
		message(FATAL_ERROR "${name}: the name must be NNNN_verb_object.sql")
	endif()
	set(version ${CMAKE_MATCH_1})
	file(READ ${file} hex HEX)
	string(REGEX REPLACE "(................................)" "\\1\n\t"
		hex "${hex}")
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
	string(APPEND arrays
		"static const uint8_t text_${version}[] = {\n\t${hex}\n};\n\n")
	string(APPEND entries "\t{ .version = \"${version}\", .name = \"${name}\",\n"
		"\t\t.text = { text_${version}, sizeof(text_${version}) } },\n")
endforeach()

file(WRITE ${OUT} "/* Made from db/migrations/ by embed-migrations.cmake. */
#include \"server/store/migration.h\"

#include <stddef.h>
#include <stdint.h>

${arrays}static const struct migration embedded[] = {
${entries}};

void
migration_embedded(const struct migration **migrations, size_t *count)
{
	*migrations = embedded;
	*count = sizeof(embedded) / sizeof(embedded[0]);
}
")
