#include "server/server_identity.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/text.h"

/*
 * The file's form. The checksum finds a file that was cut or edited, before
 * the server appears as somebody else; it protects nothing.
 *
 *	peyk server identity 1
 *	signing-seed HEX
 *	wrap-key HEX
 *	public-key HEX
 */
#define HEADER "peyk server identity 1\n"
#define LINE_SEED "signing-seed "
#define LINE_WRAP "wrap-key "
#define LINE_PUBLIC "public-key "

/* Larger files are not ours. */
#define FILE_SIZE_MAX ((size_t)4096)

static enum status
append_line(struct buf *text, const char *label, struct bytes value)
{
	enum status st;

	if ((st = buf_append_string(text, label)) != STATUS_OK ||
	    (st = text_encode(TEXT_ENCODING_HEX, value, text)) != STATUS_OK)
		return st;
	return buf_append_string(text, "\n");
}

enum status
server_identity_create(const char *path)
{
	struct signing_key_pair key = {0};
	struct signing_seed seed = {0};
	struct server_wrap_key wrap_key = {0};
	struct buf text = {0};
	enum status st;

	buf_init_secret(&text, FILE_SIZE_MAX);
	if ((st = signing_key_pair_generate(&key)) != STATUS_OK)
		goto out;
	signing_seed_of(&key.secret_key, &seed);
	random_bytes(wrap_key.bytes, sizeof(wrap_key.bytes));
	if ((st = buf_append_string(&text, HEADER)) != STATUS_OK ||
	    (st = append_line(&text, LINE_SEED, BYTES_OF(seed.bytes))) !=
		STATUS_OK ||
	    (st = append_line(&text, LINE_WRAP, BYTES_OF(wrap_key.bytes))) !=
		STATUS_OK ||
	    (st = append_line(&text, LINE_PUBLIC,
		 BYTES_OF(key.public_key.bytes))) != STATUS_OK)
		goto out;
	st = file_create_atomic(path, buf_bytes(&text), 0600);
out:
	secret_wipe(&key, sizeof(key));
	secret_wipe(&seed, sizeof(seed));
	secret_wipe(&wrap_key, sizeof(wrap_key));
	buf_wipe(&text);
	return st;
}

/* Takes "LABEL HEX\n" with size bytes off the front of *rest. */
static enum status
take_line(struct bytes *rest, const char *label, uint8_t *out, size_t size)
{
	size_t label_size = strlen(label),
	       line_size = label_size + 2 * size + 1;
	struct buf value = {0};
	enum status st = STATUS_INVALID;

	buf_init_secret(&value, size);
	if (rest->size < line_size ||
	    memcmp(rest->data, label, label_size) != 0 ||
	    rest->data[line_size - 1] != '\n')
		goto out;
	st = text_decode(TEXT_ENCODING_HEX,
	    bytes_make(rest->data + label_size, 2 * size), &value);
	if (st != STATUS_OK)
		goto out;
	if (value.size != size) {
		st = STATUS_INVALID;
		goto out;
	}
	memcpy(out, value.data, size);
	*rest = bytes_make(rest->data + line_size, rest->size - line_size);
out:
	buf_wipe(&value);
	return st;
}

static enum status
parse(struct bytes text, struct server_identity *out)
{
	struct bytes header = BYTES_LITERAL(HEADER);
	struct signing_public_key public_key = {0};
	struct signing_seed seed = {0};
	enum status st = STATUS_INVALID;

	if (text.size < header.size ||
	    memcmp(text.data, header.data, header.size) != 0)
		goto out;
	text = bytes_make(text.data + header.size, text.size - header.size);
	if ((st = take_line(&text, LINE_SEED, seed.bytes,
		 sizeof(seed.bytes))) != STATUS_OK ||
	    (st = take_line(&text, LINE_WRAP, out->wrap_key.bytes,
		 sizeof(out->wrap_key.bytes))) != STATUS_OK ||
	    (st = take_line(&text, LINE_PUBLIC, public_key.bytes,
		 sizeof(public_key.bytes))) != STATUS_OK ||
	    (st = signing_key_pair_from_seed(&seed, &out->key)) != STATUS_OK)
		goto out;
	if (text.size != 0 ||
	    !signing_public_key_equal(&public_key, &out->key.public_key))
		st = STATUS_INVALID;
out:
	secret_wipe(&seed, sizeof(seed));
	return st;
}

static enum status
explain(enum status st, const char *path, struct buf *problem)
{
	enum status appended = STATUS_OK;

	buf_reset(problem);
	switch (st) {
	case STATUS_NOT_FOUND:
		appended = buf_append_format(problem,
		    "There is no server "
		    "identity at %s. Run `peykd init` with the same --data, "
		    "or name the right folder with --data.",
		    path);
		break;
	case STATUS_DENIED:
		appended = buf_append_format(problem,
		    "%s must belong to the "
		    "user that runs peykd and be readable by nobody else "
		    "(chmod 600).",
		    path);
		break;
	case STATUS_INVALID:
	case STATUS_TOO_LARGE:
		appended = buf_append_format(problem,
		    "%s is damaged: it is "
		    "no whole server identity. Restore it from a backup; a "
		    "new one would make this another server to its users.",
		    path);
		break;
	case STATUS_IO:
		appended = buf_append_format(problem,
		    "%s cannot be read: "
		    "%s. --data names the folder that it is in.",
		    path, strerror(errno));
		break;
	case STATUS_OK:
	case STATUS_NOMEM:
	case STATUS_FORGED:
	case STATUS_EXISTS:
	case STATUS_STALE:
	case STATUS_BUSY:
	case STATUS_UNAVAILABLE:
	case STATUS_TIMEOUT:
	case STATUS_CANCELLED:
	case STATUS_INTERNAL:
		appended = buf_append_format(problem,
		    "%s cannot be loaded: "
		    "%s.",
		    path,
		    st == STATUS_NOMEM ? "there is not enough "
					 "memory"
				       : "a library failed");
		break;
	}
	(void)appended; /* a sentence that does not fit changes nothing */
	return st == STATUS_TOO_LARGE ? STATUS_INVALID : st;
}

enum status
server_identity_load(
    const char *path, struct server_identity **out, struct buf *problem)
{
	struct server_identity *identity = NULL;
	struct buf text = {0};
	enum status st;

	buf_init_secret(&text, FILE_SIZE_MAX);
	if ((identity = secret_new(sizeof(*identity))) == NULL) {
		st = STATUS_NOMEM;
		goto out;
	}
	if ((st = file_read_private(path, &text)) != STATUS_OK ||
	    (st = parse(buf_bytes(&text), identity)) != STATUS_OK)
		goto out;
	*out = identity;
	identity = NULL;
out:
	if (st != STATUS_OK)
		st = explain(st, path, problem);
	buf_wipe(&text);
	server_identity_free(identity);
	return st;
}

void
server_identity_free(struct server_identity *identity)
{
	secret_free(identity);
}
