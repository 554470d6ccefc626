#include "client/message_json_read.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/message_json.h"

/* Wire types of protobuf. */
#define WIRE_VARINT 0
#define WIRE_64BIT 1
#define WIRE_BYTES 2
#define WIRE_32BIT 5

/* Where in the input something is: "$.messages[0].text". */
struct place {
	const struct place *parent; /* NULL: the whole, "$" */
	const char *name;           /* of a field, or NULL: an element */
	size_t index;
	unsigned depth;
};

static size_t
format_place(const struct place *place, char *out, size_t size)
{
	size_t used;
	int length;

	if (place->parent == NULL) {
		length = snprintf(out, size, "$");
	} else {
		used = format_place(place->parent, out, size);
		if (used >= size)
			return size;
		length = place->name != NULL ? snprintf(out + used, size - used,
						   ".%.64s", place->name)
					     : snprintf(out + used, size - used,
						   "[%zu]", place->index);
		if (length >= 0)
			length += (int)used;
	}
	return length < 0 || (size_t)length > size ? size : (size_t)length;
}

static enum status wrong(struct message_json_problem *problem,
    const struct place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status
wrong(struct message_json_problem *problem, const struct place *place,
    const char *format, ...)
{
	char where[256];
	char what[224];
	va_list list;

	(void)format_place(place, where, sizeof(where));
	va_start(list, format);
	(void)vsnprintf(what, sizeof(what), format, list);
	va_end(list);
	(void)snprintf(
	    problem->text, sizeof(problem->text), "%s: %s", where, what);
	return STATUS_INVALID;
}

static bool
is_name_of(const ProtobufCFieldDescriptor *field, const char *key)
{
	char camel[MESSAGE_JSON_NAME_SIZE];

	message_json_name(field->name, camel);
	return strcmp(key, field->name) == 0 || strcmp(key, camel) == 0;
}

/* ---- Reading ---- */

enum status
message_json_parse(
    struct bytes text, json_t **out, struct message_json_problem *problem)
{
	const struct place whole = {0};
	json_error_t error;
	json_t *object;

	if (text.size > MESSAGE_JSON_SIZE_MAX)
		return STATUS_TOO_LARGE;
	object = json_loadb(text.size > 0 ? (const char *)text.data : "",
	    text.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (object == NULL) {
		if (json_error_code(&error) == json_error_out_of_memory)
			return STATUS_NOMEM;
		return wrong(problem, &whole, "line %d, column %d: %s",
		    error.line, error.column, error.text);
	}
	if (!json_is_object(object)) {
		json_decref(object);
		return wrong(problem, &whole,
		    "this is no object; write it as {\"name\": value, …}");
	}
	*out = object;
	return STATUS_OK;
}

static enum status
append_varint(struct buf *out, uint64_t value)
{
	uint8_t bytes[10];
	size_t size = 0;

	do {
		bytes[size] = (uint8_t)(value & 0x7f);
		value >>= 7;
		if (value != 0)
			bytes[size] |= 0x80;
		size++;
	} while (value != 0);
	return buf_append(out, bytes_make(bytes, size));
}

static enum status
append_tag(struct buf *out, uint32_t number, unsigned wire_type)
{
	return append_varint(out, (uint64_t)number << 3 | wire_type);
}

static enum status
append_bytes(struct buf *out, struct bytes bytes)
{
	enum status st = append_varint(out, bytes.size);

	return st == STATUS_OK ? buf_append(out, bytes) : st;
}

static enum status
append_fixed(struct buf *out, uint64_t value, size_t size)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
	return buf_append(out, bytes_make(bytes, size));
}

/* An integer type: what fits, and how it is written. */
struct integer {
	bool is_signed;
	bool is_64bit;
	bool is_zigzag;
	unsigned wire_type;
};

static bool
integer_of(ProtobufCType type, struct integer *out)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
		*out = (struct integer){.is_signed = true};
		return true;
	case PROTOBUF_C_TYPE_SINT32:
		*out = (struct integer){.is_signed = true, .is_zigzag = true};
		return true;
	case PROTOBUF_C_TYPE_SFIXED32:
		*out = (struct integer){
		    .is_signed = true, .wire_type = WIRE_32BIT};
		return true;
	case PROTOBUF_C_TYPE_UINT32:
		*out = (struct integer){0};
		return true;
	case PROTOBUF_C_TYPE_FIXED32:
		*out = (struct integer){.wire_type = WIRE_32BIT};
		return true;
	case PROTOBUF_C_TYPE_INT64:
		*out = (struct integer){.is_signed = true, .is_64bit = true};
		return true;
	case PROTOBUF_C_TYPE_SINT64:
		*out = (struct integer){
		    .is_signed = true, .is_64bit = true, .is_zigzag = true};
		return true;
	case PROTOBUF_C_TYPE_SFIXED64:
		*out = (struct integer){.is_signed = true,
		    .is_64bit = true,
		    .wire_type = WIRE_64BIT};
		return true;
	case PROTOBUF_C_TYPE_UINT64:
		*out = (struct integer){.is_64bit = true};
		return true;
	case PROTOBUF_C_TYPE_FIXED64:
		*out =
		    (struct integer){.is_64bit = true, .wire_type = WIRE_64BIT};
		return true;
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	return false;
}

/* A number as sign and magnitude: holds every 64-bit integer. */
struct number {
	bool is_negative;
	uint64_t magnitude;
};

/* Decimal digits with an optional minus, and nothing else. */
static bool
parse_decimal(const char *text, struct number *out)
{
	struct number number = {.is_negative = *text == '-'};

	if (number.is_negative)
		text++;
	/* "007" is no number in JSON either. */
	if (*text < '0' || *text > '9' || (*text == '0' && text[1] != '\0'))
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (number.magnitude > (UINT64_MAX - digit) / 10)
			return false;
		number.magnitude = number.magnitude * 10 + digit;
	}
	if (*text != '\0')
		return false;
	*out = number;
	return true;
}

static bool
parse_number(const json_t *value, struct number *out)
{
	json_int_t integer;
	double real;

	if (json_is_string(value))
		return strlen(json_string_value(value)) ==
			   json_string_length(value) &&
		       parse_decimal(json_string_value(value), out);
	if (json_is_integer(value)) {
		integer = json_integer_value(value);
		out->is_negative = integer < 0;
		out->magnitude = integer < 0 ? (uint64_t) - (integer + 1) + 1
					     : (uint64_t)integer;
		return true;
	}
	if (!json_is_real(value))
		return false;
	/* 1e3 and 2.0 are integers; past 2^53 a double does not hold one. */
	real = json_real_value(value);
	if (!(real >= -9007199254740992.0 && real <= 9007199254740992.0) ||
	    (double)(int64_t)real != real)
		return false;
	integer = (int64_t)real;
	out->is_negative = integer < 0;
	out->magnitude = (uint64_t)(integer < 0 ? -integer : integer);
	return true;
}

static bool
number_fits(const struct integer *type, const struct number *number)
{
	uint64_t most = type->is_64bit
			    ? (type->is_signed ? INT64_MAX : UINT64_MAX)
			    : (type->is_signed ? INT32_MAX : UINT32_MAX);

	if (!number->is_negative || number->magnitude == 0)
		return number->magnitude <= most;
	return type->is_signed && number->magnitude <= most + 1;
}

/* The 64 bits that stand for the number on the wire. */
static uint64_t
number_bits(const struct integer *type, const struct number *number)
{
	uint64_t bits = number->is_negative ? (uint64_t)0 - number->magnitude
					    : number->magnitude;

	if (!type->is_zigzag)
		return bits;
	return bits << 1 ^ (number->is_negative ? UINT64_MAX : 0);
}

/* A value that is being encoded. */
struct reading {
	const ProtobufCFieldDescriptor *field;
	const json_t *value;
	const struct place *place;
	/* What equals the default is left out, but not in an array or oneof. */
	bool keeps_default;
	struct buf *out;
	struct message_json_problem *problem;
};

MUST_CHECK static enum status encode_message(
    const ProtobufCMessageDescriptor *type, const json_t *object,
    const struct place *place, struct buf *out,
    struct message_json_problem *problem);

static enum status
encode_integer(const struct reading *reading, const struct integer *type)
{
	struct number number;
	enum status st;

	if (!parse_number(reading->value, &number))
		return wrong(reading->problem, reading->place,
		    "this is no whole number");
	if (!number_fits(type, &number))
		return wrong(reading->problem, reading->place,
		    "this number does not fit: %s%s bits are there for it",
		    type->is_signed ? "" : "it cannot be negative, and ",
		    type->is_64bit ? "64" : "32");
	if (number.magnitude == 0 && !reading->keeps_default)
		return STATUS_OK;
	if ((st = append_tag(reading->out, reading->field->id,
		 type->wire_type)) != STATUS_OK)
		return st;
	if (type->wire_type == WIRE_VARINT)
		return append_varint(reading->out, number_bits(type, &number));
	return append_fixed(
	    reading->out, number_bits(type, &number), type->is_64bit ? 8 : 4);
}

static enum status
encode_bool(const struct reading *reading)
{
	enum status st;

	if (!json_is_boolean(reading->value))
		return wrong(reading->problem, reading->place,
		    "this is neither true nor false");
	if (json_is_false(reading->value) && !reading->keeps_default)
		return STATUS_OK;
	st = append_tag(reading->out, reading->field->id, WIRE_VARINT);
	return st == STATUS_OK ? append_varint(reading->out,
				     json_is_true(reading->value) ? 1 : 0)
			       : st;
}

static enum status
encode_enum(const struct reading *reading)
{
	const ProtobufCEnumDescriptor *type = reading->field->descriptor;
	const ProtobufCEnumValue *known;
	struct integer plain = {.is_signed = true};
	struct number number;
	enum status st;

	if (json_is_string(reading->value)) {
		known = protobuf_c_enum_descriptor_get_value_by_name(
		    type, json_string_value(reading->value));
		if (known == NULL)
			return wrong(reading->problem, reading->place,
			    "%s has no value “%.64s”", type->short_name,
			    json_string_value(reading->value));
		number.is_negative = known->value < 0;
		number.magnitude = (uint64_t)llabs((long long)known->value);
	} else if (!parse_number(reading->value, &number) ||
		   !number_fits(&plain, &number)) {
		return wrong(reading->problem, reading->place,
		    "this is no value of %s", type->short_name);
	}
	if (number.magnitude == 0 && !reading->keeps_default)
		return STATUS_OK;
	st = append_tag(reading->out, reading->field->id, WIRE_VARINT);
	return st == STATUS_OK
		   ? append_varint(reading->out, number_bits(&plain, &number))
		   : st;
}

static enum status
encode_string(const struct reading *reading)
{
	struct bytes text;
	enum status st;

	if (!json_is_string(reading->value))
		return wrong(
		    reading->problem, reading->place, "this is no string");
	text = bytes_make(json_string_value(reading->value),
	    json_string_length(reading->value));
	if (text.size == 0 && !reading->keeps_default)
		return STATUS_OK;
	st = append_tag(reading->out, reading->field->id, WIRE_BYTES);
	return st == STATUS_OK ? append_bytes(reading->out, text) : st;
}

enum status
message_json_base64(const char *text, struct buf *out)
{
	size_t size = strlen(text);
	struct bytes plain;
	struct buf copy;
	enum status st;

	while (size > 0 && strlen(text) - size < 2 && text[size - 1] == '=')
		size--;
	/* Where there is padding, there is all of it. */
	if (size != strlen(text) && strlen(text) % 4 != 0)
		return STATUS_INVALID;
	buf_init_secret(&copy, size);
	if ((st = buf_append(&copy, bytes_make(text, size))) != STATUS_OK)
		goto out;
	for (size_t i = 0; i < copy.size; i++) {
		if (copy.data[i] == '+')
			copy.data[i] = '-';
		else if (copy.data[i] == '/')
			copy.data[i] = '_';
	}
	plain = buf_bytes(&copy);
	st = text_decode(TEXT_ENCODING_BASE64URL, plain, out);
out:
	buf_clear(&copy);
	return st;
}

static enum status
encode_bytes(const struct reading *reading)
{
	struct buf bytes;
	enum status st;

	if (!json_is_string(reading->value))
		return wrong(reading->problem, reading->place,
		    "this is no string; bytes are written in base64");
	buf_init_secret(&bytes, MESSAGE_JSON_SIZE_MAX);
	st = message_json_base64(json_string_value(reading->value), &bytes);
	if (st == STATUS_INVALID) {
		st = wrong(
		    reading->problem, reading->place, "this is no base64");
		goto out;
	}
	if (st != STATUS_OK || (bytes.size == 0 && !reading->keeps_default))
		goto out;
	if ((st = append_tag(reading->out, reading->field->id, WIRE_BYTES)) ==
	    STATUS_OK)
		st = append_bytes(reading->out, buf_bytes(&bytes));
out:
	buf_wipe(&bytes);
	return st;
}

static enum status
encode_submessage(const struct reading *reading)
{
	struct buf inner;
	enum status st;

	buf_init_secret(&inner, reading->out->limit);
	if ((st = encode_message(reading->field->descriptor, reading->value,
		 reading->place, &inner, reading->problem)) == STATUS_OK &&
	    (st = append_tag(reading->out, reading->field->id, WIRE_BYTES)) ==
		STATUS_OK)
		st = append_bytes(reading->out, buf_bytes(&inner));
	buf_wipe(&inner);
	return st;
}

static enum status
encode_value(const struct reading *reading)
{
	struct integer integer;

	if (integer_of(reading->field->type, &integer))
		return encode_integer(reading, &integer);
	switch (reading->field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return encode_bool(reading);
	case PROTOBUF_C_TYPE_ENUM:
		return encode_enum(reading);
	case PROTOBUF_C_TYPE_STRING:
		return encode_string(reading);
	case PROTOBUF_C_TYPE_BYTES:
		return encode_bytes(reading);
	case PROTOBUF_C_TYPE_MESSAGE:
		return encode_submessage(reading);
	default:
		return STATUS_INTERNAL;
	}
}

/*
 * Each value in a field of its own. Numbers could be packed into one: parsers
 * take both, and none of our messages has a list of them.
 */
static enum status
encode_array(const ProtobufCFieldDescriptor *field, const json_t *array,
    const struct place *place, struct buf *out,
    struct message_json_problem *problem)
{
	struct place at = {.parent = place, .depth = place->depth};
	struct reading reading = {
	    .field = field,
	    .place = &at,
	    .keeps_default = true,
	    .out = out,
	    .problem = problem,
	};
	enum status st = STATUS_OK;

	if (!json_is_array(array))
		return wrong(
		    problem, place, "this is no list; write it as [ … ]");
	for (size_t i = 0; i < json_array_size(array) && st == STATUS_OK; i++) {
		at.index = i;
		reading.value = json_array_get(array, i);
		if (json_is_null(reading.value))
			return wrong(
			    problem, &at, "null has no place in a list");
		st = encode_value(&reading);
	}
	return st;
}

/* Every key is a field, and none is there under both its names. */
static enum status
check_keys(const ProtobufCMessageDescriptor *type, const json_t *object,
    const struct place *place, struct message_json_problem *problem)
{
	/* jansson's iteration takes no const; it changes nothing. */
	json_t *members = (json_t *)(uintptr_t)object;
	const json_t *value;
	const char *key;

	json_object_foreach(members, key, value)
	{
		struct place at = {.parent = place, .name = key};
		const ProtobufCFieldDescriptor *field = NULL;
		char camel[MESSAGE_JSON_NAME_SIZE];

		(void)value;
		for (unsigned i = 0; i < type->n_fields && field == NULL; i++)
			if (is_name_of(&type->fields[i], key))
				field = &type->fields[i];
		if (field == NULL)
			return wrong(problem, &at, "%s has no such field",
			    type->short_name);
		message_json_name(field->name, camel);
		if (strcmp(camel, field->name) != 0 &&
		    json_object_get(object, camel) != NULL &&
		    json_object_get(object, field->name) != NULL)
			return wrong(problem, &at,
			    "the field is there twice, under its two names");
	}
	return STATUS_OK;
}

static bool
is_in_oneof(const ProtobufCFieldDescriptor *field)
{
	return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static const json_t *
find_value(const ProtobufCFieldDescriptor *field, const json_t *object)
{
	char camel[MESSAGE_JSON_NAME_SIZE];
	const json_t *value;

	message_json_name(field->name, camel);
	value = json_object_get(object, camel);
	if (value == NULL)
		value = json_object_get(object, field->name);
	return json_is_null(value) ? NULL : value;
}

/* At most one of a oneof's fields. */
static enum status
check_oneof(const ProtobufCMessageDescriptor *type,
    const ProtobufCFieldDescriptor *field, const json_t *object,
    const struct place *place, struct message_json_problem *problem)
{
	if (!is_in_oneof(field))
		return STATUS_OK;
	/* Those before it were judged with it already. */
	for (const ProtobufCFieldDescriptor *other = field + 1;
	     other < type->fields + type->n_fields; other++)
		if (is_in_oneof(other) &&
		    other->quantifier_offset == field->quantifier_offset &&
		    find_value(other, object) != NULL)
			return wrong(problem, place,
			    "only one of %s and %s can be there", field->name,
			    other->name);
	return STATUS_OK;
}

static enum status
encode_message(const ProtobufCMessageDescriptor *type, const json_t *object,
    const struct place *place, struct buf *out,
    struct message_json_problem *problem)
{
	enum status st;

	if (!json_is_object(object))
		return wrong(
		    problem, place, "this is no object (%s)", type->short_name);
	if (place->depth >= MESSAGE_JSON_DEPTH_MAX)
		return wrong(problem, place, "this is nested too deep");
	if ((st = check_keys(type, object, place, problem)) != STATUS_OK)
		return st;
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		const json_t *value = find_value(field, object);
		char camel[MESSAGE_JSON_NAME_SIZE];
		struct place at = {
		    .parent = place,
		    .name = camel,
		    .depth = place->depth + 1,
		};
		const struct reading reading = {
		    .field = field,
		    .value = value,
		    .place = &at,
		    .keeps_default = is_in_oneof(field),
		    .out = out,
		    .problem = problem,
		};

		if (value == NULL)
			continue;
		message_json_name(field->name, camel);
		if ((st = check_oneof(type, field, object, place, problem)) !=
		    STATUS_OK)
			return st;
		st = field->label == PROTOBUF_C_LABEL_REPEATED
			 ? encode_array(field, value, &at, out, problem)
			 : encode_value(&reading);
		if (st != STATUS_OK)
			return st;
	}
	return STATUS_OK;
}

enum status
message_json_encode(const ProtobufCMessageDescriptor *type,
    const json_t *object, struct buf *out, struct message_json_problem *problem)
{
	const struct place whole = {0};
	size_t before = out->size;
	enum status st;

	st = encode_message(type, object, &whole, out, problem);
	if (st != STATUS_OK)
		buf_truncate(out, before);
	return st;
}
