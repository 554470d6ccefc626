#include "client/tool_reply.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "client/message_json_read.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "wire/limits.h"

#define ENVELOPE_TYPE "peyk.v1.SealedResponse"

/* Places in one text at which JSON may begin; a parse costs its length. */
#define OBJECTS_MAX 16

void
tool_reply_clear(struct tool_reply *reply)
{
	for (size_t i = 0; i < TOOL_REPLY_ENVELOPES_MAX; i++)
		buf_clear(&reply->envelopes[i]);
	*reply = (struct tool_reply){0};
}

static void
copy_text(struct bytes text, char *out, size_t size)
{
	size_t length = text.size < size - 1 ? text.size : size - 1;

	if (length > 0)
		memcpy(out, text.data, length);
	out[length] = '\0';
}

/* ---- Envelopes ---- */

/* Empty ones are none. On failure the next may be better. */
static enum status
add_envelope(struct tool_reply *reply, struct buf *envelope)
{
	if (envelope->size == 0 ||
	    reply->envelope_count == TOOL_REPLY_ENVELOPES_MAX)
		return STATUS_OK;
	reply->envelopes[reply->envelope_count++] = *envelope;
	*envelope = (struct buf){0};
	return STATUS_OK;
}

static enum status
add_base64(struct tool_reply *reply, const char *text)
{
	struct buf envelope;
	enum status st;

	buf_init(&envelope, WIRE_ENVELOPE_MAX);
	st = message_json_base64(text, &envelope);
	if (st == STATUS_OK)
		st = add_envelope(reply, &envelope);
	buf_clear(&envelope);
	return st;
}

/* By its fields; what else a tool adds ("@type") is left out. */
static enum status
add_fields(struct tool_reply *reply, const json_t *object)
{
	static const char *const names[] = {"nonce", "ciphertext"};
	struct message_json_problem problem;
	json_t *fields = json_object();
	struct buf envelope;
	enum status st = fields != NULL ? STATUS_OK : STATUS_NOMEM;

	buf_init(&envelope, WIRE_ENVELOPE_MAX);
	for (size_t i = 0; i < 2 && st == STATUS_OK; i++) {
		json_t *value = json_object_get(object, names[i]);

		if (value != NULL &&
		    json_object_set(fields, names[i], value) != 0)
			st = STATUS_NOMEM;
	}
	if (st == STATUS_OK)
		st = message_json_encode(&peyk__v1__sealed_response__descriptor,
		    fields, &envelope, &problem);
	if (st == STATUS_OK)
		st = add_envelope(reply, &envelope);
	buf_clear(&envelope);
	json_decref(fields);
	return st;
}

/* The first of these members that is a string; NULL: none. */
static const char *
string_of(const json_t *object, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *text =
		    json_string_value(json_object_get(object, names[i]));

		if (text != NULL)
			return text;
	}
	return NULL;
}

/* An entry of a status's details. */
static enum status
read_detail(struct tool_reply *reply, const json_t *detail)
{
	static const char *const types[] = {
	    "@type", "typeUrl", "type_url", "type"};
	static const char *const values[] = {"@value", "value"};
	const char *type = string_of(detail, types, 4);
	const char *value = string_of(detail, values, 2);
	const char *slash = type != NULL ? strrchr(type, '/') : NULL;

	if (type == NULL ||
	    strcmp(slash != NULL ? slash + 1 : type, ENVELOPE_TYPE) != 0)
		return STATUS_OK;
	return value != NULL ? add_base64(reply, value)
			     : add_fields(reply, detail);
}

/* ---- JSON ---- */

static void
read_status(struct tool_reply *reply, const json_t *object)
{
	const json_t *code = json_object_get(object, "code");
	const char *message =
	    json_string_value(json_object_get(object, "message"));

	if (json_is_string(code))
		copy_text(bytes_from_string(json_string_value(code)),
		    reply->code, sizeof(reply->code));
	else if (json_is_integer(code) && json_integer_value(code) != 0)
		(void)snprintf(reply->code, sizeof(reply->code),
		    "%" JSON_INTEGER_FORMAT, json_integer_value(code));
	else
		return;
	reply->has_status = true;
	copy_text(
	    bytes_from_string(message), reply->message, sizeof(reply->message));
}

static enum status
read_object(struct tool_reply *reply, const json_t *object)
{
	const json_t *details = json_object_get(object, "details");
	enum status st = STATUS_OK;

	if (json_object_get(object, "nonce") != NULL)
		return add_fields(reply, object);
	read_status(reply, object);
	for (size_t i = 0; i < json_array_size(details); i++) {
		st = read_detail(reply, json_array_get(details, i));
		if (st == STATUS_NOMEM || st == STATUS_INTERNAL)
			return st;
	}
	return read_detail(reply, object);
}

/* ---- Text ---- */

static bool
is_blank(uint8_t letter)
{
	return letter == ' ' || letter == '\t' || letter == '\r';
}

/* The line without the blanks at both ends. */
static struct bytes
trim(struct bytes line)
{
	while (line.size > 0 && is_blank(line.data[0])) {
		line.data++;
		line.size--;
	}
	while (line.size > 0 && is_blank(line.data[line.size - 1]))
		line.size--;
	return line;
}

/* What follows "Code:" and the like; *out untouched if it is another line. */
static bool
read_labelled(struct bytes line, const char *label, char *out, size_t size)
{
	size_t length = strlen(label);

	if (line.size < length || memcmp(line.data, label, length) != 0)
		return false;
	copy_text(trim(bytes_make(line.data + length, line.size - length)), out,
	    size);
	return true;
}

/* Where JSON begins in the line: first, or after "1)". NULL: nowhere. */
static const uint8_t *
find_object(struct bytes line)
{
	const uint8_t *at = line.data, *end = line.data + line.size;

	while (at < end && *at >= '0' && *at <= '9')
		at++;
	if (at > line.data && at < end && *at == ')')
		at++;
	else
		at = line.data;
	while (at < end && is_blank(*at))
		at++;
	return at < end && *at == '{' ? at : NULL;
}

/*
 * The object that begins at the first byte; *size is what it takes, 0 if it
 * is none.
 */
static enum status
read_json(struct tool_reply *reply, struct bytes text, size_t *size)
{
	json_error_t error;
	json_t *object = json_loadb((const char *)text.data, text.size,
	    JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
	enum status st;

	*size = 0;
	if (object == NULL)
		return json_error_code(&error) == json_error_out_of_memory
			   ? STATUS_NOMEM
			   : STATUS_OK;
	*size = (size_t)error.position;
	st = read_object(reply, object);
	json_decref(object);
	return st == STATUS_NOMEM || st == STATUS_INTERNAL ? st : STATUS_OK;
}

static enum status
read_text(struct tool_reply *reply, struct bytes text)
{
	unsigned objects = 0;
	bool is_error = false;
	size_t taken;
	enum status st;

	while (text.size > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.size);
		size_t size =
		    end != NULL ? (size_t)(end - text.data) + 1 : text.size;
		struct bytes line =
		    trim(bytes_make(text.data, end != NULL ? size - 1 : size));
		const uint8_t *object = find_object(line);

		if (object != NULL && objects++ < OBJECTS_MAX) {
			size_t before = (size_t)(object - text.data);

			st = read_json(reply,
			    bytes_make(object, text.size - before), &taken);
			if (st != STATUS_OK)
				return st;
			if (taken > 0)
				size = before + taken;
		} else if (bytes_equal(line, BYTES_LITERAL("ERROR:"))) {
			is_error = true;
		} else if (is_error && reply->code[0] == '\0') {
			reply->has_status = read_labelled(
			    line, "Code:", reply->code, sizeof(reply->code));
		} else if (is_error && reply->message[0] == '\0') {
			(void)read_labelled(line, "Message:", reply->message,
			    sizeof(reply->message));
		}
		text.data += size;
		text.size -= size;
	}
	return STATUS_OK;
}

enum status
tool_reply_read(struct bytes text, struct tool_reply *out)
{
	struct tool_reply reply = {0};
	enum status st;

	if (text.size > MESSAGE_JSON_SIZE_MAX)
		return STATUS_TOO_LARGE;
	st = read_text(&reply, text);
	if (st == STATUS_OK && reply.envelope_count == 0 && !reply.has_status)
		st = STATUS_NOT_FOUND;
	if (st == STATUS_OK) {
		*out = reply;
		reply = (struct tool_reply){0}; /* now the caller's */
	}
	tool_reply_clear(&reply);
	return st;
}
