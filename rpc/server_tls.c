/* Certificates of a server, and what it asks of its clients. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "rpc/pem.h"
#include "rpc/server_core.h"

/* ---- Checks ---- */

static int64_t
seconds_of(const ASN1_TIME *time)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, seconds = 0;

	if (epoch != NULL)
		(void)ASN1_TIME_diff(&days, &seconds, epoch, time);
	ASN1_TIME_free(epoch);
	return (int64_t)days * 86400 + seconds;
}

enum status
rpc_server_tls_check(
    const struct rpc_server_tls *tls, int64_t now, int64_t *expires)
{
	X509 *certificate = rpc_pem_certificate(tls->certificate_chain);
	EVP_PKEY *key = rpc_pem_key(tls->private_key);
	enum status st = STATUS_INVALID;
	int64_t from, until;

	if (certificate == NULL || key == NULL ||
	    X509_check_private_key(certificate, key) != 1 ||
	    (tls->client_roots != NULL &&
		!rpc_pem_has_certificates(tls->client_roots)) ||
	    (tls->is_client_required && tls->client_roots == NULL))
		goto out;
	from = seconds_of(X509_get0_notBefore(certificate));
	until = seconds_of(X509_get0_notAfter(certificate));
	if (expires != NULL)
		*expires = until;
	st = from <= now && now <= until ? STATUS_OK : STATUS_STALE;
out:
	X509_free(certificate);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return st;
}

/* ---- Ports ---- */

/*
 * gRPC asks for the configuration before each handshake, on any of its
 * threads, and keeps what it was given last.
 */
struct rpc_server_port {
	struct rpc_server_port *next;
	int number;
	bool asks_clients;
	pthread_mutex_t mutex;
	/* Under the mutex: for the next handshake; NULL: nothing new. */
	grpc_ssl_server_certificate_config *pending;
};

static grpc_ssl_certificate_config_reload_status
fetch(void *arg, grpc_ssl_server_certificate_config **config)
{
	struct rpc_server_port *port = arg;
	grpc_ssl_server_certificate_config *pending;

	pthread_mutex_lock(&port->mutex);
	pending = port->pending;
	port->pending = NULL;
	pthread_mutex_unlock(&port->mutex);
	if (pending == NULL)
		return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
	*config = pending; /* now gRPC's */
	return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

static void
set_pending(struct rpc_server_port *port, const struct rpc_server_tls *tls)
{
	grpc_ssl_pem_key_cert_pair pair = {
	    .private_key = tls->private_key,
	    .cert_chain = tls->certificate_chain,
	};
	/* gRPC wants roots in any case; where clients are asked for nothing,
	   they are not looked at. */
	const char *roots = tls->client_roots != NULL ? tls->client_roots
						      : tls->certificate_chain;
	grpc_ssl_server_certificate_config *config =
	    grpc_ssl_server_certificate_config_create(roots, &pair, 1);
	grpc_ssl_server_certificate_config *before;

	pthread_mutex_lock(&port->mutex);
	before = port->pending;
	port->pending = config;
	pthread_mutex_unlock(&port->mutex);
	if (before != NULL)
		grpc_ssl_server_certificate_config_destroy(before);
}

static grpc_ssl_client_certificate_request_type
request_type(const struct rpc_server_tls *tls)
{
	if (tls->client_roots == NULL)
		return GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
	return tls->is_client_required
		   ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
		   : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
}

enum status
rpc_server_port_new(struct rpc_server *server, const struct rpc_server_tls *tls,
    struct rpc_server_port **out, grpc_server_credentials **credentials)
{
	struct rpc_server_port *port;

	if (tls == NULL) {
		*credentials = grpc_insecure_server_credentials_create();
		return STATUS_OK;
	}
	/* An expired one is the application's affair: it may be a test. */
	if (rpc_server_tls_check(tls, 0, NULL) == STATUS_INVALID)
		return STATUS_INVALID;
	if ((port = calloc(1, sizeof(*port))) == NULL)
		return STATUS_NOMEM;
	pthread_mutex_init(&port->mutex, NULL);
	port->asks_clients = tls->client_roots != NULL;
	port->next = server->ports;
	server->ports = port;
	set_pending(port, tls);
	*credentials = grpc_ssl_server_credentials_create_with_options(
	    grpc_ssl_server_credentials_create_options_using_config_fetcher(
		request_type(tls), fetch, port));
	*out = port;
	return STATUS_OK;
}

void
rpc_server_port_set_number(struct rpc_server_port *port, int number)
{
	port->number = number;
}

void
rpc_server_ports_free(struct rpc_server_port *ports)
{
	while (ports != NULL) {
		struct rpc_server_port *next = ports->next;

		if (ports->pending != NULL)
			grpc_ssl_server_certificate_config_destroy(
			    ports->pending);
		pthread_mutex_destroy(&ports->mutex);
		free(ports);
		ports = next;
	}
}

enum status
rpc_server_reload_tls(
    struct rpc_server *server, int number, const struct rpc_server_tls *tls)
{
	enum status st =
	    rpc_server_tls_check(tls, (int64_t)(clock_wall_ms() / 1000), NULL);
	bool is_found = false;

	if (st != STATUS_OK)
		return st;
	for (struct rpc_server_port *port = server->ports; port != NULL;
	     port = port->next) {
		if (port->number == 0 ||
		    (number != 0 && port->number != number))
			continue;
		/* Roots that appear or vanish would change who is let in. */
		if (port->asks_clients != (tls->client_roots != NULL))
			return STATUS_INVALID;
		is_found = true;
	}
	if (!is_found)
		return STATUS_NOT_FOUND;
	for (struct rpc_server_port *port = server->ports; port != NULL;
	     port = port->next)
		if (port->number != 0 &&
		    (number == 0 || port->number == number))
			set_pending(port, tls);
	return STATUS_OK;
}
