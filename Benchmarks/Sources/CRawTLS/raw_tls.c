#include "raw_tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct raw_tls {
  SSL_CTX *context;
  SSL *ssl;
  int socket;
};

static void raw_tls_free(raw_tls *connection) {
  SSL_free(connection->ssl);
  SSL_CTX_free(connection->context);
  if (connection->socket >= 0) close(connection->socket);
  free(connection);
}

static raw_tls *refused(raw_tls *connection, const char *what, char *reason, size_t size) {
  snprintf(reason, size, "%s: %s", what, ERR_reason_error_string(ERR_peek_last_error()) ?: "no reason given");
  raw_tls_free(connection);
  return NULL;
}

raw_tls *raw_tls_connect(
    const char *host, int port, const char *alpn, const char *certificate, const char *key, const char *authority, char *reason,
    size_t size) {
  raw_tls *made = calloc(1, sizeof *made);
  made->socket = -1;
  made->context = SSL_CTX_new(TLS_client_method());
  if (!made->context || SSL_CTX_set_min_proto_version(made->context, TLS1_3_VERSION) != 1)
    return refused(made, "TLS", reason, size);
  SSL_CTX_set_verify(made->context, SSL_VERIFY_PEER, NULL);
  if (SSL_CTX_use_certificate_chain_file(made->context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(made->context, key, SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_load_verify_locations(made->context, authority, NULL) != 1)
    return refused(made, "credentials", reason, size);
  unsigned char protocols[256];
  protocols[0] = (unsigned char)strlen(alpn);
  memcpy(protocols + 1, alpn, protocols[0]);
  SSL_CTX_set_alpn_protos(made->context, protocols, protocols[0] + 1u);

  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  made->socket = socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
      connect(made->socket, (struct sockaddr *)&address, sizeof address) != 0 ||
      setsockopt(made->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
    return refused(made, "socket", reason, size);
  made->ssl = SSL_new(made->context);
  if (!made->ssl || SSL_set_fd(made->ssl, made->socket) != 1 || SSL_connect(made->ssl) != 1)
    return refused(made, "handshake", reason, size);
  return made;
}

int raw_tls_write(raw_tls *connection, const void *bytes, size_t count) {
  return SSL_write(connection->ssl, bytes, (int)count) == (int)count ? 0 : -1;
}

int raw_tls_read(raw_tls *connection, void *bytes, size_t count) { return SSL_read(connection->ssl, bytes, (int)count); }
