#include "rpc/descriptor_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/google/protobuf/descriptor.pb-c.h"
#include "rpc/wire_field.h"

/* FileDescriptorSet.file */
#define SET_FILE 1

/* An element of each kind of array below begins with its name. */
struct file {
	char *name;
	struct bytes packed;
	Google__Protobuf__FileDescriptorProto *proto; /* while it is read */
	size_t *imports;                              /* numbers of files */
	size_t import_count;
};

struct symbol {
	char *name;
	size_t file;
	bool is_message;
};

struct extension {
	char *type;
	int32_t number;
	size_t file;
};

struct rpc_descriptor_index {
	/* Sorted, once everything was read. */
	struct file *files;
	size_t file_count, file_capacity;
	struct symbol *symbols;
	size_t symbol_count, symbol_capacity;
	struct extension *extensions;
	size_t extension_count, extension_capacity;
	int32_t *numbers; /* those of `extensions`, in the same order */
};

/* ---- Arrays ---- */

/* Room for one more. */
static enum status
make_room(void **array, size_t count, size_t *capacity, size_t element_size)
{
	size_t grown_capacity = 2 * *capacity + 16;
	void *grown;

	if (count < *capacity)
		return STATUS_OK;
	grown = reallocarray(*array, grown_capacity, element_size);
	if (grown == NULL)
		return STATUS_NOMEM;
	*array = grown;
	*capacity = grown_capacity;
	return STATUS_OK;
}

static int
compare_files(const void *a, const void *b)
{
	const struct file *left = a, *right = b;

	return strcmp(left->name, right->name);
}

/* Of two with one name the one of the lower file stands first. */
static int
compare_symbols(const void *a, const void *b)
{
	const struct symbol *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	if (order != 0)
		return order;
	return (left->file > right->file) - (left->file < right->file);
}

static int
compare_extensions(const void *a, const void *b)
{
	const struct extension *left = a, *right = b;
	int order = strcmp(left->type, right->type);

	if (order != 0)
		return order;
	if (left->number != right->number)
		return left->number < right->number ? -1 : 1;
	return (left->file > right->file) - (left->file < right->file);
}

static void
sort(void *array, size_t count, size_t element_size,
    int (*compare)(const void *, const void *))
{
	if (count > 1)
		qsort(array, count, element_size, compare);
}

/* The first element that is not less than `key`. */
static size_t
find_first(const void *array, size_t count, size_t element_size,
    int (*compare)(const void *, const void *), const void *key)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare((const char *)array + middle * element_size, key) <
		    0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- Reading ---- */

/* "scope.name"; the caller's. STATUS_INVALID: there is no name. */
static enum status
join(const char *scope, const char *name, char **out)
{
	bool has_scope = scope != NULL && scope[0] != '\0';
	size_t size;
	char *joined;

	if (name == NULL || name[0] == '\0')
		return STATUS_INVALID;
	size = (has_scope ? strlen(scope) + 1 : 0) + strlen(name) + 1;
	if ((joined = malloc(size)) == NULL)
		return STATUS_NOMEM;
	(void)snprintf(joined, size, "%s%s%s", has_scope ? scope : "",
	    has_scope ? "." : "", name);
	*out = joined;
	return STATUS_OK;
}

/* `full`, if not NULL, receives the full name; the index keeps it. */
static enum status
add_symbol(struct rpc_descriptor_index *index, size_t file, bool is_message,
    const char *scope, const char *name, const char **full)
{
	struct symbol symbol = {.file = file, .is_message = is_message};
	enum status st;

	if ((st = make_room((void **)&index->symbols, index->symbol_count,
		 &index->symbol_capacity, sizeof(symbol))) != STATUS_OK ||
	    (st = join(scope, name, &symbol.name)) != STATUS_OK)
		return st;
	index->symbols[index->symbol_count++] = symbol;
	if (full != NULL)
		*full = symbol.name;
	return STATUS_OK;
}

static enum status
add_extension(struct rpc_descriptor_index *index, size_t file,
    const char *scope, const Google__Protobuf__FieldDescriptorProto *descriptor)
{
	const char *type = descriptor->extendee;
	struct extension extension = {
	    .number = descriptor->number, .file = file};
	enum status st;

	if (type == NULL)
		return STATUS_INVALID;
	if ((st = make_room((void **)&index->extensions, index->extension_count,
		 &index->extension_capacity, sizeof(extension))) != STATUS_OK ||
	    (st = join(NULL, type[0] == '.' ? type + 1 : type,
		 &extension.type)) != STATUS_OK)
		return st;
	index->extensions[index->extension_count++] = extension;
	return add_symbol(index, file, false, scope, descriptor->name, NULL);
}

static enum status
add_extensions(struct rpc_descriptor_index *index, size_t file,
    const char *scope, Google__Protobuf__FieldDescriptorProto *const *fields,
    size_t count)
{
	enum status st = STATUS_OK;

	for (size_t i = 0; st == STATUS_OK && i < count; i++)
		st = add_extension(index, file, scope, fields[i]);
	return st;
}

/* The names of an enum's values stand beside its own, as in C. */
static enum status
add_enums(struct rpc_descriptor_index *index, size_t file, const char *scope,
    Google__Protobuf__EnumDescriptorProto *const *enums, size_t count)
{
	enum status st = STATUS_OK;

	for (size_t i = 0; st == STATUS_OK && i < count; i++) {
		st =
		    add_symbol(index, file, false, scope, enums[i]->name, NULL);
		for (size_t j = 0; st == STATUS_OK && j < enums[i]->n_value;
		     j++)
			st = add_symbol(index, file, false, scope,
			    enums[i]->value[j]->name, NULL);
	}
	return st;
}

/* Nests no deeper than RPC_WIRE_DEPTH_MAX. */
static enum status
add_message(struct rpc_descriptor_index *index, size_t file, const char *scope,
    const Google__Protobuf__DescriptorProto *message)
{
	const char *name = NULL;
	enum status st =
	    add_symbol(index, file, true, scope, message->name, &name);

	for (size_t i = 0; st == STATUS_OK && i < message->n_field; i++)
		st = add_symbol(
		    index, file, false, name, message->field[i]->name, NULL);
	for (size_t i = 0; st == STATUS_OK && i < message->n_oneof_decl; i++)
		st = add_symbol(index, file, false, name,
		    message->oneof_decl[i]->name, NULL);
	for (size_t i = 0; st == STATUS_OK && i < message->n_nested_type; i++)
		st = add_message(index, file, name, message->nested_type[i]);
	if (st == STATUS_OK)
		st = add_enums(index, file, name, message->enum_type,
		    message->n_enum_type);
	if (st == STATUS_OK)
		st = add_extensions(index, file, name, message->extension,
		    message->n_extension);
	return st;
}

static enum status
add_service(struct rpc_descriptor_index *index, size_t file, const char *scope,
    const Google__Protobuf__ServiceDescriptorProto *service)
{
	const char *name = NULL;
	enum status st =
	    add_symbol(index, file, false, scope, service->name, &name);

	for (size_t i = 0; st == STATUS_OK && i < service->n_method; i++)
		st = add_symbol(
		    index, file, false, name, service->method[i]->name, NULL);
	return st;
}

static enum status
add_symbols(struct rpc_descriptor_index *index, size_t file)
{
	const Google__Protobuf__FileDescriptorProto *proto =
	    index->files[file].proto;
	const char *package = proto->package;
	enum status st = STATUS_OK;

	for (size_t i = 0; st == STATUS_OK && i < proto->n_message_type; i++)
		st = add_message(index, file, package, proto->message_type[i]);
	if (st == STATUS_OK)
		st = add_enums(
		    index, file, package, proto->enum_type, proto->n_enum_type);
	if (st == STATUS_OK)
		st = add_extensions(
		    index, file, package, proto->extension, proto->n_extension);
	for (size_t i = 0; st == STATUS_OK && i < proto->n_service; i++)
		st = add_service(index, file, package, proto->service[i]);
	return st;
}

static enum status
resolve_imports(struct rpc_descriptor_index *index, struct file *file)
{
	size_t count = file->proto->n_dependency;
	enum status st = STATUS_OK;

	file->imports = calloc(count + 1, sizeof(*file->imports));
	if (file->imports == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; st == STATUS_OK && i < count; i++)
		st = rpc_descriptor_index_file(
		    index, file->proto->dependency[i], &file->imports[i]);
	file->import_count = count;
	return st == STATUS_NOT_FOUND ? STATUS_INVALID : st;
}

static enum status
add_file(struct rpc_descriptor_index *index, struct bytes packed)
{
	struct file file = {.packed = packed};
	enum status st;

	if (!rpc_wire_is_shallow(
		&google__protobuf__file_descriptor_proto__descriptor, packed))
		return STATUS_INVALID;
	file.proto = google__protobuf__file_descriptor_proto__unpack(
	    NULL, packed.size, packed.data);
	if (file.proto == NULL)
		return STATUS_INVALID;
	if ((st = make_room((void **)&index->files, index->file_count,
		 &index->file_capacity, sizeof(file))) != STATUS_OK ||
	    (st = join(NULL, file.proto->name, &file.name)) != STATUS_OK)
		goto out;
	for (size_t i = 0; i < index->file_count; i++)
		if (strcmp(index->files[i].name, file.name) == 0)
			goto out;
	index->files[index->file_count++] = file;
	memset(&file, 0, sizeof(file)); /* now the index's */
out:
	free(file.name);
	if (file.proto != NULL)
		google__protobuf__file_descriptor_proto__free_unpacked(
		    file.proto, NULL);
	return st;
}

/* A FileDescriptorSet. */
static enum status
add_set(struct rpc_descriptor_index *index, struct bytes set)
{
	enum status st = STATUS_OK;

	while (st == STATUS_OK && set.size > 0) {
		struct rpc_wire_field field;

		if (!rpc_wire_field_take(&set, &field))
			return STATUS_INVALID;
		if (field.number != SET_FILE)
			continue;
		if (field.type != RPC_WIRE_TYPE_LENGTH)
			return STATUS_INVALID;
		st = add_file(index, field.content);
	}
	return st;
}

static void
free_protos(struct rpc_descriptor_index *index)
{
	for (size_t i = 0; i < index->file_count; i++) {
		if (index->files[i].proto != NULL)
			google__protobuf__file_descriptor_proto__free_unpacked(
			    index->files[i].proto, NULL);
		index->files[i].proto = NULL;
	}
}

static enum status
sort_all(struct rpc_descriptor_index *index)
{
	sort(index->symbols, index->symbol_count, sizeof(*index->symbols),
	    compare_symbols);
	sort(index->extensions, index->extension_count,
	    sizeof(*index->extensions), compare_extensions);
	index->numbers =
	    calloc(index->extension_count + 1, sizeof(*index->numbers));
	if (index->numbers == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; i < index->extension_count; i++)
		index->numbers[i] = index->extensions[i].number;
	return STATUS_OK;
}

enum status
rpc_descriptor_index_new(const struct rpc_descriptors *const *descriptors,
    size_t count, struct rpc_descriptor_index **out)
{
	struct rpc_descriptor_index *index = calloc(1, sizeof(*index));
	enum status st = STATUS_OK;

	if (index == NULL)
		return STATUS_NOMEM;
	for (size_t i = 0; st == STATUS_OK && i < count; i++)
		st = add_set(index,
		    bytes_make(descriptors[i]->data, descriptors[i]->size));
	/* Numbers of files are those of the sorted array. */
	sort(index->files, index->file_count, sizeof(*index->files),
	    compare_files);
	for (size_t i = 0; st == STATUS_OK && i < index->file_count; i++)
		if ((st = resolve_imports(index, &index->files[i])) ==
		    STATUS_OK)
			st = add_symbols(index, i);
	free_protos(index);
	if (st == STATUS_OK)
		st = sort_all(index);
	if (st == STATUS_OK) {
		*out = index;
		index = NULL;
	}
	rpc_descriptor_index_free(index);
	return st;
}

void
rpc_descriptor_index_free(struct rpc_descriptor_index *index)
{
	if (index == NULL)
		return;
	for (size_t i = 0; i < index->file_count; i++) {
		free(index->files[i].name);
		free(index->files[i].imports);
	}
	for (size_t i = 0; i < index->symbol_count; i++)
		free(index->symbols[i].name);
	for (size_t i = 0; i < index->extension_count; i++)
		free(index->extensions[i].type);
	free(index->files);
	free(index->symbols);
	free(index->extensions);
	free(index->numbers);
	free(index);
}

/* ---- Finding ---- */

enum status
rpc_descriptor_index_file(
    const struct rpc_descriptor_index *index, const char *name, size_t *file)
{
	const struct file key = {.name = (char *)(uintptr_t)name};
	size_t i = find_first(index->files, index->file_count,
	    sizeof(*index->files), compare_files, &key);

	if (i == index->file_count || strcmp(index->files[i].name, name) != 0)
		return STATUS_NOT_FOUND;
	*file = i;
	return STATUS_OK;
}

static const struct symbol *
find_symbol(const struct rpc_descriptor_index *index, const char *name)
{
	const struct symbol key = {.name = (char *)(uintptr_t)name};
	size_t i = find_first(index->symbols, index->symbol_count,
	    sizeof(*index->symbols), compare_symbols, &key);

	if (i == index->symbol_count ||
	    strcmp(index->symbols[i].name, name) != 0)
		return NULL;
	return &index->symbols[i];
}

enum status
rpc_descriptor_index_symbol(
    const struct rpc_descriptor_index *index, const char *name, size_t *file)
{
	const struct symbol *symbol = find_symbol(index, name);

	if (symbol == NULL)
		return STATUS_NOT_FOUND;
	*file = symbol->file;
	return STATUS_OK;
}

static size_t
find_extension(
    const struct rpc_descriptor_index *index, const char *type, int32_t number)
{
	const struct extension key = {
	    .type = (char *)(uintptr_t)type, .number = number};

	return find_first(index->extensions, index->extension_count,
	    sizeof(*index->extensions), compare_extensions, &key);
}

static bool
is_of_type(const struct rpc_descriptor_index *index, size_t i, const char *type)
{
	return i < index->extension_count &&
	       strcmp(index->extensions[i].type, type) == 0;
}

enum status
rpc_descriptor_index_extension(const struct rpc_descriptor_index *index,
    const char *type, int32_t number, size_t *file)
{
	size_t i = find_extension(index, type, number);

	if (!is_of_type(index, i, type) ||
	    index->extensions[i].number != number)
		return STATUS_NOT_FOUND;
	*file = index->extensions[i].file;
	return STATUS_OK;
}

enum status
rpc_descriptor_index_numbers(const struct rpc_descriptor_index *index,
    const char *type, const int32_t **numbers, size_t *count)
{
	const struct symbol *symbol = find_symbol(index, type);
	size_t first = find_extension(index, type, INT32_MIN), end = first;

	if (symbol == NULL || !symbol->is_message)
		return STATUS_NOT_FOUND;
	while (is_of_type(index, end, type))
		end++;
	*numbers = index->numbers + first;
	*count = end - first;
	return STATUS_OK;
}

enum status
rpc_descriptor_index_closure(const struct rpc_descriptor_index *index,
    size_t file, struct bytes **out, size_t *count)
{
	bool *is_there = calloc(index->file_count, sizeof(*is_there));
	size_t *queue = calloc(index->file_count, sizeof(*queue));
	struct bytes *files = calloc(index->file_count, sizeof(*files));
	size_t queued = 0;
	enum status st = STATUS_NOMEM;

	if (is_there == NULL || queue == NULL || files == NULL)
		goto out;
	queue[queued++] = file;
	is_there[file] = true;
	for (size_t i = 0; i < queued; i++) {
		const struct file *next = &index->files[queue[i]];

		files[i] = next->packed;
		for (size_t j = 0; j < next->import_count; j++) {
			if (is_there[next->imports[j]])
				continue;
			is_there[next->imports[j]] = true;
			queue[queued++] = next->imports[j];
		}
	}
	*out = files;
	files = NULL;
	*count = queued;
	st = STATUS_OK;
out:
	free(is_there);
	free(queue);
	free(files);
	return st;
}
