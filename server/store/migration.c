#include "server/store/migration.h"

#include <stdbool.h>
#include <string.h>

static const char up_marker[] = "migrate:up";
static const char down_marker[] = "migrate:down";

/* A line, without its end, and where the next one begins. */
struct line {
	struct bytes text;
	size_t next;
	unsigned number;
};

static bool
next_line(struct bytes text, struct line *line)
{
	size_t start = line->next;
	const uint8_t *end;

	if (start >= text.size)
		return false;
	end = memchr(text.data + start, '\n', text.size - start);
	line->text.data = text.data + start;
	line->text.size = end != NULL ? (size_t)(end - line->text.data) :
	    text.size - start;
	line->next = start + line->text.size + (end != NULL);
	line->number++;
	return true;
}

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct bytes
trim(struct bytes text)
{
	while (text.size > 0 && is_space(text.data[0])) {
		text.data++;
		text.size--;
	}
	while (text.size > 0 && is_space(text.data[text.size - 1]))
		text.size--;
	return text;
}

static bool
has_prefix(struct bytes text, const char *prefix)
{
	size_t size = strlen(prefix);

	return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

/* What follows "-- migrate:up"; false if the line is no such marker. */
static bool
is_marker(struct bytes line, const char *marker, struct bytes *rest)
{
	struct bytes text = trim(line);

	if (!has_prefix(text, "--"))
		return false;
	text = trim(bytes_make(text.data + 2, text.size - 2));
	if (!has_prefix(text, marker))
		return false;
	text = bytes_make(text.data + strlen(marker),
	    text.size - strlen(marker));
	if (text.size > 0 && !is_space(text.data[0]))
		return false;
	*rest = trim(text);
	return true;
}

static bool
is_comment_or_empty(struct bytes line)
{
	struct bytes text = trim(line);

	return text.size == 0 || has_prefix(text, "--");
}

/* Nothing to execute: only comments and empty lines. */
static bool
is_blank(struct bytes text)
{
	struct line line = { 0 };

	while (next_line(text, &line)) {
		if (!is_comment_or_empty(line.text))
			return false;
	}
	return true;
}

static enum status
complain(const struct migration *migration, unsigned line, const char *what,
    struct buf *problem)
{
	/* The sentence only helps: that it does not fit changes nothing. */
	if (problem != NULL && line > 0)
		(void)!buf_append_format(problem, "migration %s, line %u: %s",
		    migration->name, line, what);
	else if (problem != NULL)
		(void)!buf_append_format(problem, "migration %s: %s",
		    migration->name, what);
	return STATUS_INVALID;
}

enum status
migration_parse(const struct migration *migration,
    struct migration_blocks *out, struct buf *problem)
{
	struct bytes text = migration->text, rest = bytes_empty();
	size_t up = 0, up_end = 0, down = 0;
	struct line line = { 0 };

	while (next_line(text, &line)) {
		if (is_marker(line.text, up_marker, &rest)) {
			if (up != 0)
				return complain(migration, line.number,
				    "a second \"-- migrate:up\"", problem);
			if (down != 0)
				return complain(migration, line.number,
				    "\"-- migrate:up\" must come before"
				    " \"-- migrate:down\"", problem);
			up = line.next;
		} else if (is_marker(line.text, down_marker, &rest)) {
			if (down != 0)
				return complain(migration, line.number,
				    "a second \"-- migrate:down\"", problem);
			up_end = (size_t)(line.text.data - text.data);
			down = line.next;
		} else if (up == 0 && down == 0 &&
		    !is_comment_or_empty(line.text)) {
			return complain(migration, line.number,
			    "a statement before \"-- migrate:up\"", problem);
		} else {
			continue;
		}
		if (rest.size > 0)
			return complain(migration, line.number,
			    "options after the marker are not supported: every"
			    " migration is one transaction", problem);
	}
	if (up == 0)
		return complain(migration, 0, "\"-- migrate:up\" is missing",
		    problem);
	if (down == 0)
		return complain(migration, 0, "\"-- migrate:down\" is missing",
		    problem);
	out->up = bytes_make(text.data + up, up_end - up);
	out->down = bytes_make(text.data + down, text.size - down);
	if (is_blank(out->up))
		return complain(migration, 0, "nothing to do in"
		    " \"-- migrate:up\"", problem);
	return STATUS_OK;
}
