/*
 * gRPC's interoperability client, on our library.
 *
 *     interop_client --server_host=H --server_port=N --test_case=NAME
 *                    [--use_tls=true --ca_file=PEM
 *                    --server_host_override=NAME]
 *
 * Says "NAME passed" and ends with 0, or says what was expected and ends
 * with 1.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interop_cases.h"

static const struct {
	const char *name;
	interop_case *run;
} cases[] = {
    {"empty_unary", case_empty_unary},
    {"large_unary", case_large_unary},
    {"client_streaming", case_client_streaming},
    {"server_streaming", case_server_streaming},
    {"ping_pong", case_ping_pong},
    {"empty_stream", case_empty_stream},
    {"custom_metadata", case_custom_metadata},
    {"status_code_and_message", case_status_code_and_message},
    {"special_status_message", case_special_status_message},
    {"unimplemented_method", case_unimplemented_method},
    {"unimplemented_service", case_unimplemented_service},
    {"cancel_after_begin", case_cancel_after_begin},
    {"cancel_after_first_response", case_cancel_after_first_response},
    {"timeout_on_sleeping_server", case_timeout_on_sleeping_server},
    {"client_compressed_unary", case_client_compressed_unary},
    {"client_compressed_unary_noprobe", case_client_compressed_unary_noprobe},
    {"client_compressed_streaming_noprobe",
	case_client_compressed_streaming_noprobe},
    {"server_compressed_unary", case_server_compressed_unary},
    {"client_compressed_streaming", case_client_compressed_streaming},
    {"server_compressed_streaming", case_server_compressed_streaming},
};

int
main(int argc, char **argv)
{
	const char *host = "127.0.0.1", *port = NULL, *wanted = NULL;
	const char *use_tls = "false", *ca_file = NULL, *override = NULL;
	const struct option options[] = {
	    {"server_host", &host},
	    {"server_port", &port},
	    {"test_case", &wanted},
	    {"use_tls", &use_tls},
	    {"ca_file", &ca_file},
	    {"server_host_override", &override},
	    {NULL, NULL},
	};
	struct rpc_channel_tls tls = {0};
	struct rpc_channel_options channel = {0};
	interop_case *run = NULL;
	struct rpc_client client;
	char target[256], *roots = NULL;

	options_parse(options, argc, argv);
	expect(port != NULL && wanted != NULL, "--server_port and --test_case");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(cases[i].name, wanted) == 0)
			run = cases[i].run;
	expect(run != NULL, "a case that there is, got %s", wanted);
	if (option_is_true(use_tls)) {
		tls.roots = roots = file_text(ca_file);
		tls.server_name = override;
		channel.tls = &tls;
	}
	snprintf(target, sizeof(target), "%s:%s", host, port);
	expect_ok(rpc_loop_new(&client.loop));
	expect_ok(rpc_channel_new(target, &channel, &client.channel));
	run(&client);
	rpc_channel_free(client.channel);
	rpc_loop_free(client.loop);
	free(roots);
	printf("%s passed\n", wanted);
	return 0;
}
