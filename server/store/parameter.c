#include "server/store/parameter.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

/* Number of dimensions, has-nulls, element type; then size and lower bound. */
#define HEADER_SIZE 20
#define HEADER_EMPTY_SIZE 12

/* libpq's sizes are int; PostgreSQL refuses a value above 1 GiB. */
#define PARAMETER_SIZE_MAX ((size_t)1 << 30)

static uint32_t
type_oid(enum parameter_type type)
{
	switch (type) {
	case PARAMETER_TYPE_INT8:
		return 20;
	case PARAMETER_TYPE_INT4:
		return 23;
	case PARAMETER_TYPE_BYTEA:
		return 17;
	case PARAMETER_TYPE_TEXT:
		return 25;
	case PARAMETER_TYPE_UUID:
		return 2950;
	}
	return 0;
}

static enum parameter_type
type_from_letter(int letter)
{
	switch (letter) {
	case 'q':
		return PARAMETER_TYPE_INT8;
	case 'i':
		return PARAMETER_TYPE_INT4;
	case 'b':
		return PARAMETER_TYPE_BYTEA;
	case 't':
		return PARAMETER_TYPE_TEXT;
	case 'u':
		return PARAMETER_TYPE_UUID;
	default:
		assert(letter == 0); /* the types are our own */
		return PARAMETER_TYPE_BYTEA;
	}
}

static uint8_t *
extend(struct parameters *parameters, struct parameter *value, size_t size)
{
	uint8_t *out = NULL;
	enum status st;

	if ((st = buf_extend(&value->data, size, &out)) != STATUS_OK)
		parameters->status = st;
	return st == STATUS_OK ? out : NULL;
}

void
parameters_init(struct parameters *parameters, const char *types)
{
	memset(parameters, 0, sizeof(*parameters));
	parameters->count = strlen(types);
	assert(parameters->count <= PARAMETERS_MAX);
	for (size_t i = 0; i < parameters->count; i++) {
		struct parameter *value = &parameters->values[i];
		uint8_t *header;

		value->type =
		    type_from_letter(tolower((unsigned char)types[i]));
		value->is_array = isupper((unsigned char)types[i]) != 0;
		buf_init(&value->data, PARAMETER_SIZE_MAX);
		if (!value->is_array)
			continue;
		header = extend(parameters, value, HEADER_SIZE);
		if (header == NULL)
			continue;
		memset(header, 0, HEADER_SIZE);
		bytes_put_u32be(header + 8, type_oid(value->type));
	}
}

void
parameters_clear(struct parameters *parameters)
{
	for (size_t i = 0; i < parameters->count; i++)
		buf_clear(&parameters->values[i].data);
	memset(parameters, 0, sizeof(*parameters));
}

/* Room for one value of the given size; NULL if there is none. */
static uint8_t *
append(struct parameters *parameters, size_t index, size_t size)
{
	struct parameter *value = &parameters->values[index];
	uint8_t *out;

	assert(index < parameters->count);
	if (parameters->status != STATUS_OK)
		return NULL;
	if (!value->is_array) {
		buf_reset(&value->data);
		return extend(parameters, value, size);
	}
	if ((out = extend(parameters, value, 4 + size)) == NULL)
		return NULL;
	bytes_put_u32be(out, (uint32_t)size);
	value->count++;
	return out + 4;
}

void
parameters_int8(struct parameters *parameters, size_t index, int64_t number)
{
	uint8_t *out = append(parameters, index, 8);

	assert(parameters->values[index].type == PARAMETER_TYPE_INT8);
	if (out != NULL)
		bytes_put_u64be(out, (uint64_t)number);
}

void
parameters_int4(struct parameters *parameters, size_t index, int32_t number)
{
	uint8_t *out = append(parameters, index, 4);

	assert(parameters->values[index].type == PARAMETER_TYPE_INT4);
	if (out != NULL)
		bytes_put_u32be(out, (uint32_t)number);
}

void
parameters_bytes(struct parameters *parameters, size_t index,
    struct bytes bytes)
{
	uint8_t *out = append(parameters, index, bytes.size);

	if (out != NULL && bytes.size > 0)
		memcpy(out, bytes.data, bytes.size);
}

void
parameters_null(struct parameters *parameters, size_t index)
{
	struct parameter *value = &parameters->values[index];
	uint8_t *out;

	assert(value->is_array);
	if ((out = append(parameters, index, 0)) == NULL)
		return;
	bytes_put_u32be(out - 4, UINT32_MAX);
	bytes_put_u32be(value->data.data + 4, 1);
}

size_t
parameters_count(const struct parameters *parameters, size_t index)
{
	return parameters->values[index].count;
}

enum status
parameters_view(struct parameters *parameters, struct parameters_view *out)
{
	if (parameters->status != STATUS_OK)
		return STATUS_NOMEM;
	for (size_t i = 0; i < parameters->count; i++) {
		struct parameter *value = &parameters->values[i];
		size_t size = value->data.size;

		if (value->is_array && value->count == 0) {
			size = HEADER_EMPTY_SIZE;
		} else if (value->is_array) {
			bytes_put_u32be(value->data.data, 1);
			bytes_put_u32be(value->data.data + 12, value->count);
			bytes_put_u32be(value->data.data + 16, 1);
		}
		/* NULL would be SQL's NULL, not an empty value. */
		out->values[i] = size > 0 ? (const char *)value->data.data : "";
		out->sizes[i] = (int)size;
		out->formats[i] = 1;
	}
	return STATUS_OK;
}
