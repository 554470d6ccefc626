#include "interop_options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
expect(bool is_so, const char *format, ...)
{
	va_list arguments;

	if (is_so)
		return;
	va_start(arguments, format);
	fputs("expected ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	/* Calls are under way: nothing is torn down. */
	_Exit(1);
}

void
expect_ok(enum status st)
{
	expect(st == STATUS_OK, "ok, got %s", status_name(st));
}

void *
expect_memory(void *memory)
{
	expect(memory != NULL, "memory");
	return memory;
}

void
options_parse(const struct option *options, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i] + strspn(argv[i], "-");
		size_t length = strcspn(name, "=");
		const struct option *option = options;

		while (option->name != NULL &&
		       (strlen(option->name) != length ||
			   strncmp(option->name, name, length) != 0))
			option++;
		expect(option->name != NULL, "an option, got %s", argv[i]);
		if (name[length] == '=')
			*option->value = name + length + 1;
		else
			*option->value = argv[++i];
		expect(*option->value != NULL, "a value of %s", option->name);
	}
}

bool
option_is_true(const char *value)
{
	bool is_true = strcmp(value, "true") == 0;

	expect(is_true || strcmp(value, "false") == 0, "true or false, got %s",
	    value);
	return is_true;
}

char *
file_text(const char *path)
{
	FILE *file = path == NULL ? NULL : fopen(path, "re");
	char *text = expect_memory(calloc(1, 65536));
	size_t size;

	expect(file != NULL, "to read %s", path == NULL ? "a file" : path);
	size = fread(text, 1, 65535, file);
	expect(size > 0 && feof(file), "a file of under 64 KiB: %s", path);
	fclose(file);
	return text;
}

ProtobufCBinaryData
body_of(const uint8_t *zeros, size_t size)
{
	return (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)zeros};
}
