/* Descriptors as an application may give them: whatever is in a file. */

#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "gen/google/protobuf/descriptor.pb-c.h"
#include "rpc/descriptor_index.h"

/* What the first message of a file is called in full. */
static char *
first_message(const Google__Protobuf__FileDescriptorProto *file)
{
	const char *package = file->package != NULL ? file->package : "";
	char *name = NULL;

	if (file->n_message_type == 0)
		return NULL;
	FUZZ_CHECK(
	    asprintf(&name, "%s%s%s", package, package[0] != '\0' ? "." : "",
		file->message_type[0]->name) >= 0);
	return name;
}

static void
check_closure(const struct rpc_descriptor_index *index, size_t number,
    const Google__Protobuf__FileDescriptorSet *set)
{
	struct bytes *files = NULL;
	size_t count = 0;

	FUZZ_CHECK(rpc_descriptor_index_closure(
		       index, number, &files, &count) == STATUS_OK);
	FUZZ_CHECK(count >= 1 && count <= set->n_file);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			FUZZ_CHECK(files[i].data != files[j].data);
	free(files);
}

/* Of several files with one name the first counts, so only that is looked at.
 */
static void
check_file(const struct rpc_descriptor_index *index,
    const Google__Protobuf__FileDescriptorSet *set, size_t i)
{
	const Google__Protobuf__FileDescriptorProto *file = set->file[i];
	const int32_t *numbers;
	size_t number, other, count;
	char *name;

	FUZZ_CHECK(file->name != NULL);
	for (size_t j = 0; j < i; j++)
		if (strcmp(set->file[j]->name, file->name) == 0)
			return;
	FUZZ_CHECK(
	    rpc_descriptor_index_file(index, file->name, &number) == STATUS_OK);
	check_closure(index, number, set);
	if ((name = first_message(file)) == NULL)
		return;
	FUZZ_CHECK(
	    rpc_descriptor_index_symbol(index, name, &other) == STATUS_OK);
	if (rpc_descriptor_index_numbers(index, name, &numbers, &count) ==
	    STATUS_OK)
		for (size_t j = 0; j < count; j++)
			FUZZ_CHECK(rpc_descriptor_index_extension(index, name,
				       numbers[j], &other) == STATUS_OK);
	free(name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rpc_descriptors descriptors = {data, size};
	const struct rpc_descriptors *const list[] = {&descriptors};
	struct rpc_descriptor_index *index = NULL;
	Google__Protobuf__FileDescriptorSet *set;
	enum status st = rpc_descriptor_index_new(list, 1, &index);

	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID);
	if (st != STATUS_OK)
		return 0;
	set = google__protobuf__file_descriptor_set__unpack(NULL, size, data);
	for (size_t i = 0; set != NULL && i < set->n_file; i++)
		check_file(index, set, i);
	if (set != NULL)
		google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
	rpc_descriptor_index_free(index);
	return 0;
}
