#include "base/text.h"
#include "channel/server_info.h"
#include "client/application.h"
#include "client/command_table.h"
#include "client/target.h"

/* Everything about the account that may be shown to anyone. */
struct profile {
	char name[CLIENT_DISPLAY_SIZE];
	char server[TARGET_SIZE];
	char fingerprint[CHANNEL_FINGERPRINT_LENGTH + 1];
	struct buf signing_key; /* hexadecimal */
	struct buf encryption_key;
	const char *signing_text;
	const char *encryption_text;
};

static enum status
fill(const struct account *account, struct profile *profile)
{
	const struct vault *vault = account_vault(account);
	const struct signing_public_key *signing =
	    &vault_signing(vault)->public_key;
	const struct encryption_public_key *encryption =
	    &vault_encryption(vault)->public_key;
	enum status st;

	client_display(bytes_from_string(vault_name(vault)), profile->name,
	    sizeof(profile->name));
	target_format(account_address(account), profile->server);
	st = channel_fingerprint(vault_server_key(vault), profile->fingerprint);
	if (st == STATUS_OK)
		st = text_encode(TEXT_ENCODING_HEX, BYTES_OF(signing->bytes),
		    &profile->signing_key);
	if (st == STATUS_OK)
		st = text_encode(TEXT_ENCODING_HEX, BYTES_OF(encryption->bytes),
		    &profile->encryption_key);
	if (st == STATUS_OK)
		st = buf_string(&profile->signing_key, &profile->signing_text);
	if (st == STATUS_OK)
		st = buf_string(
		    &profile->encryption_key, &profile->encryption_text);
	return st;
}

static enum status
print(struct application *application, const struct profile *profile)
{
	const char *name = vault_name(account_vault(application->account));

	if (application->output.is_json)
		return output_json_take(&application->output,
		    json_pack("{s:o, s:o, s:s, s:s, s:s, s:o}", "name",
			output_json_text(bytes_from_string(name)), "server",
			output_json_text(bytes_from_string(profile->server)),
			"server_fingerprint", profile->fingerprint,
			"signing_key", profile->signing_text, "encryption_key",
			profile->encryption_text, "folder",
			output_json_text(bytes_from_string(
			    account_folder(application->account)))));
	return output_line(&application->output,
	    "Name            %s\n"
	    "Server          %s\n"
	    "Its fingerprint %s\n"
	    "Signing key     %s\n"
	    "Encryption key  %s\n"
	    "Folder          %s",
	    profile->name, profile->server, profile->fingerprint,
	    profile->signing_text, profile->encryption_text,
	    account_folder(application->account));
}

static enum exit_code
run(struct application *application)
{
	struct profile profile = {0};
	enum exit_code code;
	enum status st;

	code = application_open(application, NULL);
	if (code != EXIT_CODE_DONE)
		return code;
	buf_init(&profile.signing_key, 256);
	buf_init(&profile.encryption_key, 256);
	st = fill(application->account, &profile);
	if (st != STATUS_OK)
		code =
		    application_fail_plain(application, st, "show the account");
	else if ((st = print(application, &profile)) != STATUS_OK)
		code = application_fail_output(application, st);
	buf_clear(&profile.signing_key);
	buf_clear(&profile.encryption_key);
	return code;
}

const struct command cmd_whoami = {
    .name = "whoami",
    .operands = "",
    .summary = "show the account, its keys and its server",
    .help = "Shows the name, the public keys and the folder of the "
	    "account, and the\n"
	    "fingerprint of its server. Asks no server.\n"
	    "\n"
	    "Example:\n"
	    "  peyk whoami --as sara\n",
    .run = run,
};
