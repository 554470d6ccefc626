#include "tools/protoc-gen-grpc-c/generate.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/protoc-gen-grpc-c/c_names.h"
#include "tools/protoc-gen-grpc-c/describe.h"
#include "tools/protoc-gen-grpc-c/unknown_field.h"

/* Field numbers that make up the paths of SourceCodeInfo. */
#define FILE_SERVICE 6
#define SERVICE_METHOD 2

#define MAX_VARIABLES 24

/* What $name$ in a template stands for; the values are owned. */
struct variable {
	const char *name;
	char *value;
};

struct variables {
	struct variable list[MAX_VARIABLES];
	size_t count;
};

struct method {
	const Google__Protobuf__MethodDescriptorProto *descriptor;
	char *comment;
	char *function; /* "messenger_send" */
	const struct schema_message *request, *response;
	/* What the envelopes hold; NULL when the method is not sealed. */
	const struct schema_message *inner_request, *inner_response;
	struct variables variables;
};

struct service {
	const Google__Protobuf__ServiceDescriptorProto *descriptor;
	char *comment;
	struct method *methods;
	size_t sealed_count;
	struct variables variables;
};

/* All of one file. The first error stops it. */
struct generator {
	const struct schema *schema;
	const struct generate_options *options;
	const Google__Protobuf__FileDescriptorProto *file;
	struct service *services;
	char **identifiers; /* everything that is declared, to find clashes */
	size_t identifier_count;
	char *error;
};

static const char *
text_or_empty(const char *text)
{
	return text != NULL ? text : "";
}

static void *
allocate(size_t count, size_t size)
{
	void *memory = calloc(count > 0 ? count : 1, size);

	if (memory == NULL) {
		fputs("protoc-gen-grpc-c: out of memory\n", stderr);
		exit(1);
	}
	return memory;
}

/* ---- Templates ---- */

/* Takes the value over. */
static void
variables_add(struct variables *variables, const char *name, char *value)
{
	assert(variables->count < MAX_VARIABLES);
	variables->list[variables->count].name = name;
	variables->list[variables->count++].value = value;
}

static void
variables_clear(struct variables *variables)
{
	for (size_t i = 0; i < variables->count; i++)
		free(variables->list[i].value);
	variables->count = 0;
}

static const char *
variables_find(const struct variables *variables, const char *name, size_t size)
{
	for (size_t i = 0; i < variables->count; i++)
		if (strlen(variables->list[i].name) == size &&
		    memcmp(variables->list[i].name, name, size) == 0)
			return variables->list[i].value;
	fprintf(stderr, "protoc-gen-grpc-c: a template names $%.*s$\n",
	    (int)size, name);
	abort();
}

static void
emit(FILE *out, const struct variables *variables, const char *template)
{
	const char *mark;

	while ((mark = strchr(template, '$')) != NULL) {
		const char *end = strchr(mark + 1, '$');

		assert(end != NULL);
		fwrite(template, 1, (size_t)(mark - template), out);
		fputs(variables_find(
			  variables, mark + 1, (size_t)(end - mark - 1)),
		    out);
		template = end + 1;
	}
	fputs(template, out);
}

/* ---- Comments ---- */

static char *
find_comment(const Google__Protobuf__FileDescriptorProto *file,
    const int32_t *path, size_t length, bool is_deprecated)
{
	const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
	const char *note = is_deprecated ? " Deprecated.\n" : "";

	for (size_t i = 0; info != NULL && i < info->n_location; i++) {
		const Google__Protobuf__SourceCodeInfo__Location *location =
		    info->location[i];

		if (location->n_path == length &&
		    memcmp(location->path, path, length * sizeof(*path)) == 0)
			return c_name_format("%s%s",
			    location->leading_comments != NULL
				? location->leading_comments
				: text_or_empty(location->trailing_comments),
			    note);
	}
	return c_name_format("%s", note);
}

/* One line of a comment, which must not end ours. */
static void
emit_comment_line(FILE *out, const char *line, size_t length)
{
	while (length > 0 &&
	       (line[length - 1] == ' ' || line[length - 1] == '\t' ||
		   line[length - 1] == '\r'))
		length--;
	fputs(" *", out);
	if (length > 0 && line[0] != ' ')
		fputc(' ', out);
	for (size_t i = 0; i < length; i++) {
		fputc(line[i], out);
		if (i + 1 < length &&
		    ((line[i] == '*' && line[i + 1] == '/') ||
			(line[i] == '/' && line[i + 1] == '*')))
			fputc(' ', out);
	}
	fputc('\n', out);
}

static void
emit_comment(FILE *out, const char *title, const char *comment)
{
	fprintf(out, "/*\n * %s\n", title);
	if (comment[0] != '\0')
		fputs(" *\n", out);
	while (comment[0] != '\0') {
		size_t length = strcspn(comment, "\n");

		emit_comment_line(out, comment, length);
		comment += length;
		if (comment[0] == '\n')
			comment++;
	}
	fputs(" */\n", out);
}

/* ---- Understanding the file ---- */

static void
fail(struct generator *generator, char *error)
{
	if (generator->error == NULL)
		generator->error = error;
	else
		free(error);
}

/* Keeps a copy; two things of one name in a file are an error. */
static void
declare(struct generator *generator, const char *identifier)
{
	char **grown;

	for (size_t i = 0; i < generator->identifier_count; i++)
		if (strcmp(generator->identifiers[i], identifier) == 0) {
			fail(generator,
			    c_name_format("%s: two things would be called %s "
					  "in C; rename one of the methods",
				text_or_empty(generator->file->name),
				identifier));
			return;
		}
	grown = reallocarray(generator->identifiers,
	    generator->identifier_count + 1, sizeof(*grown));
	if (grown == NULL) {
		fputs("protoc-gen-grpc-c: out of memory\n", stderr);
		exit(1);
	}
	generator->identifiers = grown;
	grown[generator->identifier_count++] = c_name_format("%s", identifier);
}

static void
declare_suffixed(
    struct generator *generator, const char *identifier, const char *suffix)
{
	char *full = c_name_format("%s%s", identifier, suffix);

	declare(generator, full);
	free(full);
}

static void
declare_descriptors(struct generator *generator, const char *base)
{
	char *name = describe_name(base);

	declare(generator, name);
	free(name);
}

/* A handler's place in the struct of a service. */
static void
declare_member(
    struct generator *generator, const char *c_service, const char *member)
{
	char *full = c_name_format("%s_handlers.%s", c_service, member);

	declare(generator, full);
	free(full);
}

static const struct schema_message *
require_message(struct generator *generator, const char *name)
{
	const struct schema_message *message =
	    schema_message(generator->schema, name);

	if (message == NULL)
		fail(generator,
		    c_name_format("%s: message %s is not defined in the files "
				  "that were given",
			text_or_empty(generator->file->name), name));
	return message;
}

/* A name in the option: relative to the package, or else a full one. */
static const struct schema_message *
require_inner_message(struct generator *generator, const char *name)
{
	const struct schema_message *message = NULL;

	if (name[0] != '.') {
		char *full = c_name_format(
		    "%s.%s", text_or_empty(generator->file->package), name);

		message = schema_message(generator->schema, full);
		free(full);
	}
	return message != NULL ? message : require_message(generator, name);
}

static void
read_sealed_option(struct generator *generator, struct method *method)
{
	const struct schema_sealed_option *sealed = &generator->options->sealed;
	const ProtobufCMessage *options;
	char *request, *response;

	if (sealed->number == 0 || method->descriptor->options == NULL)
		return;
	options = &method->descriptor->options->base;
	if (!unknown_field_exists(options, sealed->number))
		return;
	request = unknown_field_string(
	    options, sealed->number, sealed->request_field);
	response = unknown_field_string(
	    options, sealed->number, sealed->response_field);
	if (request == NULL || response == NULL) {
		fail(generator,
		    c_name_format("%s: the sealed option of %s does not name "
				  "both its messages",
			text_or_empty(generator->file->name),
			text_or_empty(method->descriptor->name)));
	} else {
		method->inner_request =
		    require_inner_message(generator, request);
		method->inner_response =
		    require_inner_message(generator, response);
	}
	free(request);
	free(response);
}

static bool
is_sealed(const struct method *method)
{
	return method->inner_request != NULL && method->inner_response != NULL;
}

static const char *
kind_of(const Google__Protobuf__MethodDescriptorProto *descriptor)
{
	if (descriptor->client_streaming)
		return descriptor->server_streaming
			   ? "RPC_METHOD_BIDI_STREAMING"
			   : "RPC_METHOD_CLIENT_STREAMING";
	return descriptor->server_streaming ? "RPC_METHOD_SERVER_STREAMING"
					    : "RPC_METHOD_UNARY";
}

static void
declare_method(
    struct generator *generator, const struct method *method, const char *plain)
{
	const Google__Protobuf__MethodDescriptorProto *descriptor =
	    method->descriptor;

	declare_suffixed(generator, method->function, "_method");
	declare_suffixed(generator, plain, "_start");
	declare_suffixed(generator, plain, "_response");
	if (!descriptor->client_streaming && !descriptor->server_streaming)
		declare(generator, plain);
	if (descriptor->client_streaming) {
		declare_suffixed(generator, plain, "_send_request");
		declare_suffixed(generator, plain, "_write");
		declare_suffixed(generator, plain, "_request");
	}
	if (descriptor->server_streaming) {
		declare_suffixed(generator, plain, "_next");
		declare_suffixed(generator, plain, "_send");
	} else {
		declare_suffixed(generator, plain, "_reply");
		if (descriptor->client_streaming)
			declare_suffixed(generator, plain, "_finish");
	}
	if (is_sealed(method)) {
		declare(generator, method->function);
		declare_suffixed(generator, method->function, "_sealed");
		declare_suffixed(generator, method->function, "_reply");
	}
}

static void
read_method(struct generator *generator, struct service *service, size_t s,
    size_t m, const char *full_service, const char *c_service)
{
	struct method *method = &service->methods[m];
	struct variables *variables = &method->variables;
	const int32_t path[] = {
	    FILE_SERVICE, (int32_t)s, SERVICE_METHOD, (int32_t)m};
	const char *name;
	char *member;

	method->descriptor = service->descriptor->method[m];
	method->comment = find_comment(generator->file, path, 4,
	    method->descriptor->options != NULL &&
		method->descriptor->options->deprecated);
	name = text_or_empty(method->descriptor->name);
	member = c_name_lower(name);
	method->function = c_name_format("%s_%s", c_service, member);
	method->request = require_message(
	    generator, text_or_empty(method->descriptor->input_type));
	method->response = require_message(
	    generator, text_or_empty(method->descriptor->output_type));
	read_sealed_option(generator, method);
	if (generator->error != NULL) {
		free(member);
		return;
	}
	if (c_name_is_c_keyword(member)) {
		fail(generator,
		    c_name_format("%s: for the method %s, protoc-c gives a "
				  "struct a member `%s`, which is a word of "
				  "C; rename the method",
			text_or_empty(generator->file->name), name, member));
	}
	if (is_sealed(method) && (method->descriptor->client_streaming ||
				     method->descriptor->server_streaming)) {
		fail(generator,
		    c_name_format("%s: %s is sealed and streams, which this "
				  "generator does not know",
			text_or_empty(generator->file->name), name));
	}

	variables_add(variables, "service", c_name_format("%s", c_service));
	variables_add(
	    variables, "full_service", c_name_format("%s", full_service));
	variables_add(variables, "name", c_name_format("%s", name));
	variables_add(variables, "member",
	    c_name_format(
		"%s%s", member, c_name_is_keyword(member) ? "_" : ""));
	declare_member(generator, c_service,
	    variables_find(variables, "member", strlen("member")));
	variables_add(
	    variables, "function", c_name_format("%s", method->function));
	/* The plain functions step aside for the sealed ones. */
	variables_add(variables, "plain",
	    c_name_format(
		"%s%s", method->function, is_sealed(method) ? "_raw" : ""));
	variables_add(variables, "kind",
	    c_name_format("%s", kind_of(method->descriptor)));
	variables_add(
	    variables, "Request", c_name_format("%s", method->request->c_type));
	variables_add(variables, "Response",
	    c_name_format("%s", method->response->c_type));
	variables_add(variables, "request",
	    c_name_format("%s", method->request->c_lower));
	variables_add(variables, "response",
	    c_name_format("%s", method->response->c_lower));
	if (is_sealed(method)) {
		variables_add(variables, "Inner_request",
		    c_name_format("%s", method->inner_request->c_type));
		variables_add(variables, "Inner_response",
		    c_name_format("%s", method->inner_response->c_type));
		variables_add(variables, "inner_request",
		    c_name_format("%s", method->inner_request->c_lower));
		variables_add(variables, "inner_response",
		    c_name_format("%s", method->inner_response->c_lower));
		variables_add(variables, "index",
		    c_name_format("%zu", service->sealed_count));
		service->sealed_count++;
	}
	declare_method(generator, method,
	    variables_find(variables, "plain", strlen("plain")));
	free(member);
}

static void
read_service(struct generator *generator, size_t s)
{
	struct service *service = &generator->services[s];
	const int32_t path[] = {FILE_SERVICE, (int32_t)s};
	const char *package = text_or_empty(generator->file->package);
	const char *name;
	char *lower, *c_service, *full;

	service->descriptor = generator->file->service[s];
	service->comment = find_comment(generator->file, path, 2,
	    service->descriptor->options != NULL &&
		service->descriptor->options->deprecated);
	service->methods =
	    allocate(service->descriptor->n_method, sizeof(*service->methods));
	name = text_or_empty(service->descriptor->name);
	lower = c_name_lower(name);
	c_service = c_name_format("%s%s", generator->options->prefix, lower);
	full = c_name_format(
	    "%s%s%s", package, package[0] != '\0' ? "." : "", name);

	variables_add(
	    &service->variables, "service", c_name_format("%s", c_service));
	variables_add(
	    &service->variables, "full_service", c_name_format("%s", full));
	declare_suffixed(generator, c_service, "_methods");
	declare_suffixed(generator, c_service, "_handlers");
	declare_suffixed(generator, c_service, "_register");
	for (size_t m = 0;
	     m < service->descriptor->n_method && generator->error == NULL; m++)
		read_method(generator, service, s, m, full, c_service);
	if (service->sealed_count > 0) {
		declare_suffixed(generator, c_service, "_sealed_methods");
		declare_suffixed(generator, c_service, "_sealed_handlers");
		declare_suffixed(generator, c_service, "_register_sealed");
		declare_suffixed(generator, c_service, "_dispatch");
	}
	variables_add(&service->variables, "sealed_count",
	    c_name_format("%zu", service->sealed_count));
	free(lower);
	free(c_service);
	free(full);
}

/* ---- The header ---- */

static const char header_unary[] =
    "\n"
    "/* Calls and waits. See rpc_client_unary_message(). */\n"
    "MUST_CHECK enum status $plain$(const struct rpc_client *client,\n"
    "    const struct rpc_call_options *options,\n"
    "    const $Request$ *request,\n"
    "    $Response$ **response, struct rpc_status *status);\n";

static const char header_start[] =
    "\n"
    "/* Starts a call. See rpc_client_call_start_message(). */\n"
    "MUST_CHECK enum status $plain$_start(\n"
    "    const struct rpc_client *client,\n"
    "    const struct rpc_call_options *options,\n"
    "    const $Request$ *request,\n"
    "    const struct rpc_client_call_events *events,\n"
    "    struct rpc_client_call **call);\n";

static const char header_start_stream[] =
    "\n"
    "/* Starts a call. See rpc_client_call_start(). */\n"
    "MUST_CHECK enum status $plain$_start(\n"
    "    const struct rpc_client *client,\n"
    "    const struct rpc_call_options *options,\n"
    "    const struct rpc_client_call_events *events,\n"
    "    struct rpc_client_call **call);\n"
    "\n"
    "/* Sends a request. See rpc_client_call_send_message(). */\n"
    "bool $plain$_send_request(\n"
    "    struct rpc_client_call *call, const $Request$ *request);\n";

static const char header_next[] =
    "\n"
    "/* Waits for the next response. See rpc_client_call_next(). */\n"
    "MUST_CHECK enum status $plain$_next(struct rpc_client_call *call,\n"
    "    int64_t timeout_ms, $Response$ **response);\n";

static const char header_write[] =
    "\n"
    "/* Waits until the one before was taken, then sends. See\n"
    "   rpc_client_call_write(). */\n"
    "MUST_CHECK enum status $plain$_write(struct rpc_client_call *call,\n"
    "    int64_t timeout_ms, const $Request$ *request);\n";

static const char header_finish[] =
    "\n"
    "/* Ends the requests and waits for the response. See\n"
    "   rpc_client_call_finish(). */\n"
    "MUST_CHECK enum status $plain$_finish(struct rpc_client_call *call,\n"
    "    $Response$ **response, struct rpc_status *status);\n";

static const char header_response[] =
    "\n"
    "/* The response that a call received. See rpc_client_call_unpack(). */\n"
    "MUST_CHECK enum status $plain$_response(\n"
    "    const struct rpc_client_call *call, $Response$ **response);\n";

static const char header_request[] =
    "\n"
    "/* Server: unpacks what rpc_server_call_receive() received; the request\n"
    "   is the caller's. STATUS_INVALID, STATUS_NOMEM. */\n"
    "MUST_CHECK enum status $plain$_request(\n"
    "    struct bytes message, $Request$ **request);\n";

static const char header_reply[] =
    "\n"
    "/* Server: answers. See rpc_server_call_reply_message(). */\n"
    "void $plain$_reply(struct rpc_server_call *call,\n"
    "    const $Response$ *response);\n";

static const char header_send[] =
    "\n"
    "/* Server: sends a response. See rpc_server_call_send_message(). */\n"
    "bool $plain$_send(struct rpc_server_call *call,\n"
    "    const $Response$ *response,\n"
    "    rpc_server_call_fn *on_sent, void *arg);\n";

static const char header_sealed_method[] =
    "\n"
    "/* What the envelopes of $name$ hold. */\n"
    "extern const struct rpc_sealed_method $function$_sealed;\n"
    "\n"
    "/* Calls through `peer` and waits; the response is the caller's. The\n"
    "   result is the peer's; STATUS_INVALID: its reply does not parse. */\n"
    "MUST_CHECK enum status $function$(struct rpc_sealed_client *peer,\n"
    "    const $Inner_request$ *request,\n"
    "    $Inner_response$ **response);\n"
    "\n"
    "/* Server: answers, and frees the request. */\n"
    "void $function$_reply(struct rpc_sealed_caller *caller,\n"
    "    const $Inner_response$ *response);\n";

static void
emit_header_method(FILE *out, const struct method *method)
{
	const Google__Protobuf__MethodDescriptorProto *descriptor =
	    method->descriptor;
	const struct variables *variables = &method->variables;
	char *title;

	fputc('\n', out);
	title = c_name_format("---- %s ----", text_or_empty(descriptor->name));
	emit_comment(out, title, method->comment);
	free(title);
	emit(out, variables,
	    "extern const struct rpc_method $function$_method;\n");
	if (is_sealed(method))
		emit(out, variables, header_sealed_method);
	if (!descriptor->client_streaming && !descriptor->server_streaming)
		emit(out, variables, header_unary);
	emit(out, variables,
	    descriptor->client_streaming ? header_start_stream : header_start);
	if (descriptor->client_streaming)
		emit(out, variables, header_write);
	if (descriptor->client_streaming && !descriptor->server_streaming)
		emit(out, variables, header_finish);
	if (descriptor->server_streaming)
		emit(out, variables, header_next);
	emit(out, variables, header_response);
	if (descriptor->client_streaming)
		emit(out, variables, header_request);
	emit(out, variables,
	    descriptor->server_streaming ? header_send : header_reply);
}

static const char header_handlers_begin[] =
    "\n"
    "/*\n"
    " * ---- Server ----\n"
    " *\n"
    " * Handlers run on the call's worker and never block. A request lives\n"
    " * until the call is answered. NULL answers UNIMPLEMENTED.\n"
    " */\n"
    "struct $service$_handlers {\n";

static const char header_handler[] =
    "\tvoid (*$member$)(void *service, struct rpc_server_call *call,\n"
    "\t    const $Request$ *request);\n";

static const char header_handler_stream[] =
    "\tvoid (*$member$)(void *service, struct rpc_server_call *call);\n";

static const char header_register[] =
    "};\n"
    "\n"
    "/* Every method of $full_service$, ended by NULL. */\n"
    "extern const struct rpc_method *const $service$_methods[];\n"
    "\n"
    "/* `handlers` and `service` outlive the server. See\n"
    "   rpc_server_register(). */\n"
    "MUST_CHECK enum status $service$_register(struct rpc_server *server,\n"
    "    const struct $service$_handlers *handlers, void *service);\n";

static const char header_sealed_begin[] =
    "\n"
    "/*\n"
    " * Handlers of what the envelopes hold. A request lives until the caller\n"
    " * is answered by $service$_..._reply() or rpc_sealed_caller_clear().\n"
    " */\n"
    "struct $service$_sealed_handlers {\n";

static const char header_sealed_handler[] =
    "\tvoid (*$member$)(void *service, struct rpc_sealed_caller *caller,\n"
    "\t    const $Inner_request$ *request);\n";

static const char header_sealed_end[] =
    "};\n"
    "\n"
    "/* Every sealed method of $full_service$, by index, ended by NULL. */\n"
    "extern const struct rpc_sealed_method *const $service$_sealed_methods[];\n"
    "\n"
    "/* Plain methods go to `handlers`, every sealed one to peer->open(). All\n"
    "   three outlive the server. */\n"
    "MUST_CHECK enum status $service$_register_sealed(\n"
    "    struct rpc_server *server,\n"
    "    const struct $service$_handlers *handlers, void *service,\n"
    "    struct rpc_sealed_server *peer);\n"
    "\n"
    "/*\n"
    " * Runs the handler of `method` with the request that `body` holds.\n"
    " * STATUS_INVALID: it does not parse; STATUS_NOT_FOUND: no such method "
    "or\n"
    " * no handler; STATUS_NOMEM. Then the caller is still to be answered.\n"
    " */\n"
    "MUST_CHECK enum status $service$_dispatch(\n"
    "    const struct $service$_sealed_handlers *handlers, void *service,\n"
    "    const struct rpc_sealed_method *method,\n"
    "    struct rpc_sealed_caller *caller, struct bytes body);\n";

static void
emit_header_service(FILE *out, const struct service *service)
{
	size_t count = service->descriptor->n_method;
	char *title = c_name_format("==== Service %s ====",
	    variables_find(
		&service->variables, "full_service", strlen("full_service")));

	fputc('\n', out);
	emit_comment(out, title, service->comment);
	free(title);
	for (size_t m = 0; m < count; m++)
		emit_header_method(out, &service->methods[m]);
	emit(out, &service->variables, header_handlers_begin);
	if (count == 0)
		fputs("\tint has_no_methods;\n", out);
	for (size_t m = 0; m < count; m++)
		emit(out, &service->methods[m].variables,
		    service->methods[m].descriptor->client_streaming
			? header_handler_stream
			: header_handler);
	emit(out, &service->variables, header_register);
	if (service->sealed_count == 0)
		return;
	emit(out, &service->variables, header_sealed_begin);
	for (size_t m = 0; m < count; m++)
		if (is_sealed(&service->methods[m]))
			emit(out, &service->methods[m].variables,
			    header_sealed_handler);
	emit(out, &service->variables, header_sealed_end);
}

/* Adds the file of a message to the list, once. */
static void
add_include(const Google__Protobuf__FileDescriptorProto **files, size_t *count,
    const struct schema_message *message)
{
	if (message == NULL)
		return;
	for (size_t i = 0; i < *count; i++)
		if (files[i] == message->file)
			return;
	files[(*count)++] = message->file;
}

/* The file itself and those of the messages that it uses; to be freed. */
static const Google__Protobuf__FileDescriptorProto **
find_used_files(const struct generator *generator, size_t *count)
{
	const Google__Protobuf__FileDescriptorProto **files =
	    allocate(generator->schema->request->n_proto_file + 1,
		sizeof(const Google__Protobuf__FileDescriptorProto *));

	files[0] = generator->file;
	*count = 1;
	for (size_t s = 0; s < generator->file->n_service; s++) {
		const struct service *service = &generator->services[s];

		for (size_t m = 0; m < service->descriptor->n_method; m++) {
			const struct method *method = &service->methods[m];

			add_include(files, count, method->request);
			add_include(files, count, method->response);
			add_include(files, count, method->inner_request);
			add_include(files, count, method->inner_response);
		}
	}
	return files;
}

static void
emit_includes(FILE *out, const struct generator *generator)
{
	size_t count = 0;
	const Google__Protobuf__FileDescriptorProto **files =
	    find_used_files(generator, &count);

	for (size_t i = 0; i < count; i++) {
		char *base = c_name_strip_proto(text_or_empty(files[i]->name));

		fprintf(out, "#include \"%s.pb-c.h\"\n", base);
		free(base);
	}
	free(files);
}

static bool
has_sealed(const struct generator *generator)
{
	for (size_t s = 0; s < generator->file->n_service; s++)
		if (generator->services[s].sealed_count > 0)
			return true;
	return false;
}

/* `header` is named as in the runtime's tree; installed, there are no folders. */
static void
emit_runtime_include(
    FILE *out, const struct generator *generator, const char *header)
{
	if (generator->options->is_in_tree)
		fprintf(out, "#include \"%s\"\n", header);
	else
		fprintf(out, "#include <grpc_c/%s>\n", strchr(header, '/') + 1);
}

static void
emit_header_descriptors(
    FILE *out, const struct generator *generator, const char *base)
{
	char *name = describe_name(base);

	fprintf(out,
	    "\n"
	    "/* What this file and all that it imports say, for "
	    "%s/reflection.h.\n"
	    "   In a C file of its own, %s.descriptors.c. */\n"
	    "extern const struct rpc_descriptors %s;\n",
	    generator->options->is_in_tree ? "rpc" : "grpc_c", base, name);
	free(name);
}

static void
emit_header(FILE *out, const struct generator *generator, const char *base)
{
	static const char *const headers[] = {"base/bytes.h", "base/status.h",
	    "rpc/client_call.h", "rpc/client_channel.h", "rpc/descriptors.h",
	    "rpc/grpc_status.h", "rpc/method.h", "rpc/rpc_server.h",
	    "rpc/server_call.h"};
	char *guard = c_name_identifier(base);

	fprintf(out,
	    "/* Generated by protoc-gen-grpc-c from %s. Do not edit. */\n"
	    "\n"
	    "#ifndef GRPC_C_%s_INCLUDED\n"
	    "#define GRPC_C_%s_INCLUDED\n"
	    "\n"
	    "#include <stdbool.h>\n"
	    "#include <stdint.h>\n"
	    "\n",
	    text_or_empty(generator->file->name), guard, guard);
	emit_includes(out, generator);
	fputc('\n', out);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		emit_runtime_include(out, generator, headers[i]);
	if (has_sealed(generator))
		emit_runtime_include(out, generator, "rpc/sealed.h");
	fputs("\nPROTOBUF_C__BEGIN_DECLS\n", out);
	emit_header_descriptors(out, generator, base);
	for (size_t s = 0; s < generator->file->n_service; s++)
		emit_header_service(out, &generator->services[s]);
	fputs("\nPROTOBUF_C__END_DECLS\n\n#endif\n", out);
	free(guard);
}

/* ---- The source ---- */

static const char source_method[] =
    "\n"
    "/* ---- $full_service$.$name$ ---- */\n"
    "\n"
    "const struct rpc_method $function$_method = {\n"
    "\t.path = \"/$full_service$/$name$\",\n"
    "\t.service = \"$full_service$\",\n"
    "\t.name = \"$name$\",\n"
    "\t.kind = $kind$,\n"
    "\t.request = &$request$__descriptor,\n"
    "\t.response = &$response$__descriptor,\n"
    "};\n";

static const char source_sealed_method[] =
    "\n"
    "const struct rpc_sealed_method $function$_sealed = {\n"
    "\t.method = &$function$_method,\n"
    "\t.path = \"/$full_service$/$name$\",\n"
    "\t.name = \"$name$\",\n"
    "\t.index = $index$,\n"
    "\t.request = &$inner_request$__descriptor,\n"
    "\t.response = &$inner_response$__descriptor,\n"
    "};\n"
    "\n"
    "enum status\n"
    "$function$(struct rpc_sealed_client *peer,\n"
    "    const $Inner_request$ *request,\n"
    "    $Inner_response$ **response)\n"
    "{\n"
    "\tProtobufCMessage *message = NULL;\n"
    "\tenum status st = rpc_sealed_client_call(peer, &$function$_sealed,\n"
    "\t    (const ProtobufCMessage *)request, &message);\n"
    "\n"
    "\tif (st == STATUS_OK)\n"
    "\t\t*response = ($Inner_response$ *)message;\n"
    "\treturn st;\n"
    "}\n"
    "\n"
    "void\n"
    "$function$_reply(struct rpc_sealed_caller *caller,\n"
    "    const $Inner_response$ *response)\n"
    "{\n"
    "\trpc_sealed_caller_reply(caller, (const ProtobufCMessage *)response);\n"
    "}\n";

static const char source_unary[] =
    "\n"
    "enum status\n"
    "$plain$(const struct rpc_client *client,\n"
    "    const struct rpc_call_options *options,\n"
    "    const $Request$ *request,\n"
    "    $Response$ **response, struct rpc_status *status)\n"
    "{\n"
    "\tProtobufCMessage *message = NULL;\n"
    "\tenum status st = rpc_client_unary_message(client,\n"
    "\t    &$function$_method, options,\n"
    "\t    (const ProtobufCMessage *)request, &message, status);\n"
    "\n"
    "\tif (st == STATUS_OK)\n"
    "\t\t*response = ($Response$ *)message;\n"
    "\treturn st;\n"
    "}\n";

static const char source_start[] =
    "\n"
    "enum status\n"
    "$plain$_start(const struct rpc_client *client,\n"
    "    const struct rpc_call_options *options,\n"
    "    const $Request$ *request,\n"
    "    const struct rpc_client_call_events *events,\n"
    "    struct rpc_client_call **call)\n"
    "{\n"
    "\treturn rpc_client_call_start_message(client, &$function$_method,\n"
    "\t    options, (const ProtobufCMessage *)request, events, call);\n"
    "}\n";

static const char source_start_stream[] =
    "\n"
    "enum status\n"
    "$plain$_start(const struct rpc_client *client,\n"
    "    const struct rpc_call_options *options,\n"
    "    const struct rpc_client_call_events *events,\n"
    "    struct rpc_client_call **call)\n"
    "{\n"
    "\treturn rpc_client_call_start(client, &$function$_method, options,\n"
    "\t    bytes_empty(), events, call);\n"
    "}\n"
    "\n"
    "bool\n"
    "$plain$_send_request(\n"
    "    struct rpc_client_call *call, const $Request$ *request)\n"
    "{\n"
    "\treturn rpc_client_call_send_message(\n"
    "\t    call, (const ProtobufCMessage *)request);\n"
    "}\n";

static const char source_next[] =
    "\n"
    "enum status\n"
    "$plain$_next(struct rpc_client_call *call,\n"
    "    int64_t timeout_ms, $Response$ **response)\n"
    "{\n"
    "\tProtobufCMessage *message = NULL;\n"
    "\tenum status st = rpc_client_call_next(call, timeout_ms, &message);\n"
    "\n"
    "\tif (st == STATUS_OK)\n"
    "\t\t*response = ($Response$ *)message;\n"
    "\treturn st;\n"
    "}\n";

static const char source_write[] =
    "\n"
    "enum status\n"
    "$plain$_write(struct rpc_client_call *call,\n"
    "    int64_t timeout_ms, const $Request$ *request)\n"
    "{\n"
    "\treturn rpc_client_call_write(\n"
    "\t    call, timeout_ms, (const ProtobufCMessage *)request);\n"
    "}\n";

static const char source_finish[] =
    "\n"
    "enum status\n"
    "$plain$_finish(struct rpc_client_call *call,\n"
    "    $Response$ **response, struct rpc_status *status)\n"
    "{\n"
    "\tProtobufCMessage *message = NULL;\n"
    "\tenum status st = rpc_client_call_finish(call, &message, status);\n"
    "\n"
    "\tif (st == STATUS_OK)\n"
    "\t\t*response = ($Response$ *)message;\n"
    "\treturn st;\n"
    "}\n";

static const char source_response[] =
    "\n"
    "enum status\n"
    "$plain$_response(\n"
    "    const struct rpc_client_call *call, $Response$ **response)\n"
    "{\n"
    "\tProtobufCMessage *message = NULL;\n"
    "\tenum status st = rpc_client_call_unpack(call, &message);\n"
    "\n"
    "\tif (st == STATUS_OK)\n"
    "\t\t*response = ($Response$ *)message;\n"
    "\treturn st;\n"
    "}\n";

static const char source_request[] =
    "\n"
    "enum status\n"
    "$plain$_request(struct bytes message, $Request$ **request)\n"
    "{\n"
    "\tProtobufCMessage *unpacked = NULL;\n"
    "\tenum status st = rpc_stub_unpack(\n"
    "\t    &$request$__descriptor, message, &unpacked);\n"
    "\n"
    "\tif (st == STATUS_OK)\n"
    "\t\t*request = ($Request$ *)unpacked;\n"
    "\treturn st;\n"
    "}\n";

static const char source_reply[] =
    "\n"
    "void\n"
    "$plain$_reply(struct rpc_server_call *call,\n"
    "    const $Response$ *response)\n"
    "{\n"
    "\trpc_server_call_reply_message(\n"
    "\t    call, (const ProtobufCMessage *)response);\n"
    "}\n";

static const char source_send[] =
    "\n"
    "bool\n"
    "$plain$_send(struct rpc_server_call *call,\n"
    "    const $Response$ *response,\n"
    "    rpc_server_call_fn *on_sent, void *arg)\n"
    "{\n"
    "\treturn rpc_server_call_send_message(\n"
    "\t    call, (const ProtobufCMessage *)response, on_sent, arg);\n"
    "}\n";

static const char source_invoke[] =
    "\n"
    "static void\n"
    "invoke_$function$(struct rpc_server_call *call,\n"
    "    const void *handlers, void *service, struct bytes request)\n"
    "{\n"
    "\tconst struct $service$_handlers *table = handlers;\n"
    "\tconst ProtobufCMessage *message;\n"
    "\n"
    "\tif (table->$member$ == NULL)\n"
    "\t\trpc_stub_unimplemented(call);\n"
    "\telse if ((message = rpc_stub_request(call, request)) != NULL)\n"
    "\t\ttable->$member$(service, call,\n"
    "\t\t    (const $Request$ *)message);\n"
    "}\n";

static const char source_invoke_stream[] =
    "\n"
    "static void\n"
    "invoke_$function$(struct rpc_server_call *call,\n"
    "    const void *handlers, void *service, struct bytes request)\n"
    "{\n"
    "\tconst struct $service$_handlers *table = handlers;\n"
    "\n"
    "\t(void)request;\n"
    "\tif (table->$member$ == NULL)\n"
    "\t\trpc_stub_unimplemented(call);\n"
    "\telse\n"
    "\t\ttable->$member$(service, call);\n"
    "}\n";

static const char source_open[] =
    "\n"
    "static void\n"
    "open_$function$(struct rpc_server_call *call,\n"
    "    const void *handlers, void *service, struct bytes request)\n"
    "{\n"
    "\tstruct rpc_sealed_server *peer = service;\n"
    "\n"
    "\t(void)handlers;\n"
    "\tpeer->open(peer, call, &$function$_sealed, request);\n"
    "}\n";

static void
emit_source_method(FILE *out, const struct method *method)
{
	const Google__Protobuf__MethodDescriptorProto *descriptor =
	    method->descriptor;
	const struct variables *variables = &method->variables;

	emit(out, variables, source_method);
	if (is_sealed(method))
		emit(out, variables, source_sealed_method);
	if (!descriptor->client_streaming && !descriptor->server_streaming)
		emit(out, variables, source_unary);
	emit(out, variables,
	    descriptor->client_streaming ? source_start_stream : source_start);
	if (descriptor->client_streaming)
		emit(out, variables, source_write);
	if (descriptor->client_streaming && !descriptor->server_streaming)
		emit(out, variables, source_finish);
	if (descriptor->server_streaming)
		emit(out, variables, source_next);
	emit(out, variables, source_response);
	if (descriptor->client_streaming)
		emit(out, variables, source_request);
	emit(out, variables,
	    descriptor->server_streaming ? source_send : source_reply);
	emit(out, variables,
	    descriptor->client_streaming ? source_invoke_stream
					 : source_invoke);
	if (is_sealed(method))
		emit(out, variables, source_open);
}

static const char source_methods_begin[] =
    "\n"
    "/* ---- Service $full_service$ ---- */\n"
    "\n"
    "const struct rpc_method *const $service$_methods[] = {\n";

static const char source_register_begin[] =
    "\tNULL,\n"
    "};\n"
    "\n"
    "enum status\n"
    "$service$_register(struct rpc_server *server,\n"
    "    const struct $service$_handlers *handlers, void *service)\n"
    "{\n"
    "\tenum status st = STATUS_OK;\n"
    "\n";

static const char source_register_method[] =
    "\tif (st == STATUS_OK)\n"
    "\t\tst = rpc_server_register(server, &$function$_method,\n"
    "\t\t    invoke_$function$, handlers, service);\n";

static const char source_register_sealed_method[] =
    "\tif (st == STATUS_OK)\n"
    "\t\tst = rpc_server_register(server, &$function$_method,\n"
    "\t\t    open_$function$, NULL, peer);\n";

static const char source_register_sealed_begin[] =
    "\tNULL,\n"
    "};\n"
    "\n"
    "enum status\n"
    "$service$_register_sealed(struct rpc_server *server,\n"
    "    const struct $service$_handlers *handlers, void *service,\n"
    "    struct rpc_sealed_server *peer)\n"
    "{\n"
    "\tenum status st = STATUS_OK;\n"
    "\n"
    "\t(void)handlers;\n"
    "\t(void)service;\n";

static const char source_dispatch_begin[] =
    "\treturn st;\n"
    "}\n"
    "\n"
    "enum status\n"
    "$service$_dispatch(\n"
    "    const struct $service$_sealed_handlers *handlers, void *service,\n"
    "    const struct rpc_sealed_method *method,\n"
    "    struct rpc_sealed_caller *caller, struct bytes body)\n"
    "{\n"
    "\tenum status st;\n"
    "\n"
    "\tif (method->index >= $sealed_count$ ||\n"
    "\t    method != $service$_sealed_methods[method->index])\n"
    "\t\treturn STATUS_NOT_FOUND;\n"
    "\tswitch (method->index) {\n";

static const char source_dispatch_method[] =
    "\tcase $index$:\n"
    "\t\tif (handlers->$member$ == NULL)\n"
    "\t\t\treturn STATUS_NOT_FOUND;\n"
    "\t\tst = rpc_sealed_caller_unpack(caller, method, body);\n"
    "\t\tif (st == STATUS_OK)\n"
    "\t\t\thandlers->$member$(service, caller,\n"
    "\t\t\t    (const $Inner_request$ *)\n"
    "\t\t\t\tcaller->request);\n"
    "\t\treturn st;\n";

static const char source_dispatch_end[] = "\t}\n"
					  "\treturn STATUS_NOT_FOUND;\n"
					  "}\n";

static void
emit_source_sealed(FILE *out, const struct service *service)
{
	size_t count = service->descriptor->n_method;

	emit(out, &service->variables,
	    "\n"
	    "const struct rpc_sealed_method *const "
	    "$service$_sealed_methods[] = {\n");
	for (size_t m = 0; m < count; m++)
		if (is_sealed(&service->methods[m]))
			emit(out, &service->methods[m].variables,
			    "\t&$function$_sealed,\n");
	emit(out, &service->variables, source_register_sealed_begin);
	for (size_t m = 0; m < count; m++)
		emit(out, &service->methods[m].variables,
		    is_sealed(&service->methods[m])
			? source_register_sealed_method
			: source_register_method);
	emit(out, &service->variables, source_dispatch_begin);
	for (size_t m = 0; m < count; m++)
		if (is_sealed(&service->methods[m]))
			emit(out, &service->methods[m].variables,
			    source_dispatch_method);
	emit(out, &service->variables, source_dispatch_end);
}

static void
emit_source_service(FILE *out, const struct service *service)
{
	size_t count = service->descriptor->n_method;

	for (size_t m = 0; m < count; m++)
		emit_source_method(out, &service->methods[m]);
	emit(out, &service->variables, source_methods_begin);
	for (size_t m = 0; m < count; m++)
		emit(out, &service->methods[m].variables,
		    "\t&$function$_method,\n");
	emit(out, &service->variables, source_register_begin);
	if (count == 0)
		fputs("\t(void)server;\n\t(void)handlers;\n\t(void)service;\n",
		    out);
	for (size_t m = 0; m < count; m++)
		emit(out, &service->methods[m].variables,
		    source_register_method);
	fputs("\treturn st;\n}\n", out);
	if (service->sealed_count > 0)
		emit_source_sealed(out, service);
}

static void
emit_source(FILE *out, const struct generator *generator, const char *base)
{
	fprintf(out,
	    "/* Generated by protoc-gen-grpc-c from %s. Do not edit. */\n"
	    "\n"
	    "#include \"%s.grpc-c.h\"\n"
	    "\n"
	    "#include <stddef.h>\n"
	    "\n",
	    text_or_empty(generator->file->name), base);
	emit_runtime_include(out, generator, "rpc/stub.h");
	for (size_t s = 0; s < generator->file->n_service; s++)
		emit_source_service(out, &generator->services[s]);
}

/* ---- The descriptors ---- */

static void
emit_descriptors(FILE *out, const struct generator *generator, const char *base)
{
	const struct generate_options *options = generator->options;
	size_t count = 0;
	const Google__Protobuf__FileDescriptorProto **files =
	    find_used_files(generator, &count);
	const Google__Protobuf__FileDescriptorProto **all =
	    allocate(count + options->described_count,
		sizeof(const Google__Protobuf__FileDescriptorProto *));

	memcpy(all, files,
	    count * sizeof(const Google__Protobuf__FileDescriptorProto *));
	for (size_t i = 0; i < options->described_count; i++)
		all[count++] =
		    schema_file(generator->schema, options->described[i]);
	describe_emit(out, generator->schema, base, all, count);
	free(all);
	free(files);
}

/* ---- All of it ---- */

static char *
emit_to_text(void (*emit_part)(FILE *out, const struct generator *generator,
		 const char *base),
    const struct generator *generator, const char *base)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL) {
		fputs("protoc-gen-grpc-c: out of memory\n", stderr);
		exit(1);
	}
	emit_part(out, generator, base);
	if (ferror(out) || fclose(out) != 0) {
		fputs("protoc-gen-grpc-c: out of memory\n", stderr);
		exit(1);
	}
	return text;
}

static void
generator_clear(struct generator *generator)
{
	for (size_t s = 0; s < generator->file->n_service; s++) {
		struct service *service = &generator->services[s];

		for (size_t m = 0; service->methods != NULL &&
				   m < service->descriptor->n_method;
		     m++) {
			free(service->methods[m].comment);
			free(service->methods[m].function);
			variables_clear(&service->methods[m].variables);
		}
		free(service->methods);
		free(service->comment);
		variables_clear(&service->variables);
	}
	free(generator->services);
	for (size_t i = 0; i < generator->identifier_count; i++)
		free(generator->identifiers[i]);
	free(generator->identifiers);
}

char *
generate_file(const struct schema *schema,
    const Google__Protobuf__FileDescriptorProto *file,
    const struct generate_options *options, struct generate_output *output)
{
	struct generator generator = {
	    .schema = schema, .options = options, .file = file};
	char *base;

	memset(output, 0, sizeof(*output));
	if (file->n_service == 0 && !options->is_always)
		return NULL;
	base = c_name_strip_proto(text_or_empty(file->name));
	declare_descriptors(&generator, base);
	generator.services =
	    allocate(file->n_service, sizeof(*generator.services));
	for (size_t s = 0; s < file->n_service && generator.error == NULL; s++)
		read_service(&generator, s);
	if (generator.error == NULL) {
		output->header_name = c_name_format("%s.grpc-c.h", base);
		output->source_name = c_name_format("%s.grpc-c.c", base);
		output->descriptors_name =
		    c_name_format("%s.descriptors.c", base);
		output->header = emit_to_text(emit_header, &generator, base);
		output->source = emit_to_text(emit_source, &generator, base);
		output->descriptors =
		    emit_to_text(emit_descriptors, &generator, base);
	}
	free(base);
	generator_clear(&generator);
	return generator.error;
}

void
generate_output_clear(struct generate_output *output)
{
	free(output->header_name);
	free(output->source_name);
	free(output->descriptors_name);
	free(output->header);
	free(output->source);
	free(output->descriptors);
	memset(output, 0, sizeof(*output));
}
