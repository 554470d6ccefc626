#include "tools/protoc-gen-grpc-c/c_names.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *
c_name_format(const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0) {
		fputs("protoc-gen-grpc-c: out of memory\n", stderr);
		exit(1);
	}
	return text;
}

static char *
new_text(size_t size)
{
	char *text = calloc(1, size);

	if (text == NULL) {
		fputs("protoc-gen-grpc-c: out of memory\n", stderr);
		exit(1);
	}
	return text;
}

/* Locale-free: identifiers are ASCII. */
static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

/*
 * Pieces between dots are joined by "__"; within one, '_' goes and the letter
 * after it becomes a capital, as does the first.
 */
char *
c_name_type(const char *full_name)
{
	char *text = new_text(2 * strlen(full_name) + 1);
	char *to = text;
	bool is_next_upper = true;

	for (const char *from = full_name; *from != '\0'; from++) {
		if (*from == '.') {
			if (to != text) {
				*to++ = '_';
				*to++ = '_';
			}
			is_next_upper = true;
		} else if (*from == '_') {
			is_next_upper = true;
		} else if (is_next_upper) {
			*to++ =
			    is_lower(*from) ? (char)(*from - 'a' + 'A') : *from;
			is_next_upper = false;
		} else {
			*to++ = *from;
		}
	}
	return text;
}

/* '_' before a capital that does not follow another capital or a dot. */
char *
c_name_lower(const char *full_name)
{
	char *text = new_text(2 * strlen(full_name) + 1);
	char *to = text;
	bool was_upper = true;

	for (const char *from = full_name; *from != '\0'; from++) {
		if (*from == '.') {
			if (to != text) {
				*to++ = '_';
				*to++ = '_';
			}
			was_upper = true;
		} else if (is_upper(*from)) {
			if (!was_upper)
				*to++ = '_';
			*to++ = (char)(*from - 'A' + 'a');
			was_upper = true;
		} else {
			*to++ = *from;
			was_upper = false;
		}
	}
	return text;
}

char *
c_name_strip_proto(const char *file)
{
	static const char *const suffixes[] = {".protodevel", ".proto"};
	size_t length = strlen(file);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t suffix = strlen(suffixes[i]);

		if (length > suffix &&
		    strcmp(file + length - suffix, suffixes[i]) == 0) {
			length -= suffix;
			break;
		}
	}
	return c_name_format("%.*s", (int)length, file);
}

char *
c_name_identifier(const char *text)
{
	char *identifier = c_name_format("%s", text);

	for (char *c = identifier; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c))
			*c = '_';
	return identifier;
}

bool
c_name_is_keyword(const char *word)
{
	static const char *const keywords[] = {"and", "and_eq", "asm", "auto",
	    "bitand", "bitor", "bool", "break", "case", "catch", "char",
	    "class", "compl", "const", "const_cast", "continue", "default",
	    "delete", "do", "double", "dynamic_cast", "else", "enum",
	    "explicit", "extern", "false", "float", "for", "friend", "goto",
	    "if", "inline", "int", "long", "mutable", "namespace", "new", "not",
	    "not_eq", "operator", "or", "or_eq", "private", "protected",
	    "public", "register", "reinterpret_cast", "restrict", "return",
	    "short", "signed", "sizeof", "static", "static_cast", "struct",
	    "switch", "template", "this", "throw", "true", "try", "typedef",
	    "typeid", "typename", "union", "unsigned", "using", "virtual",
	    "void", "volatile", "wchar_t", "while", "xor", "xor_eq"};

	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (strcmp(word, keywords[i]) == 0)
			return true;
	return false;
}

bool
c_name_is_c_keyword(const char *word)
{
	static const char *const keywords[] = {"auto", "bool", "break", "case",
	    "char", "const", "continue", "default", "do", "double", "else",
	    "enum", "extern", "false", "float", "for", "goto", "if", "inline",
	    "int", "long", "register", "restrict", "return", "short", "signed",
	    "sizeof", "static", "struct", "switch", "true", "typedef", "union",
	    "unsigned", "void", "volatile", "while"};

	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (strcmp(word, keywords[i]) == 0)
			return true;
	return false;
}
