#include "CFramedTLS.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct framed_tls_context {
  SSL_CTX *ssl;
  bool server;
  // Length byte and name, as ALPN wants it.
  unsigned char alpn[64];
  unsigned int alpn_size;
};

struct framed_tls {
  SSL *ssl;
  const uint8_t *in;
  size_t in_size;
  uint8_t *out;
  size_t out_size, out_capacity;
  // Memory of the caller's for ciphertext.
  uint8_t *direct;
  size_t direct_size, direct_room;
  bool server;
  // Of a server's client, once its certificate was found good: see verify_client. NULL: not looked at.
  char *peer_uri;
  int64_t peer_expiry;
};

static BIO_METHOD *method;
// Takes the place of keys that are not needed any more; nobody has its private half.
static EVP_PKEY *no_key;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int bio_read(BIO *bio, char *bytes, size_t count, size_t *done) {
  framed_tls *tls = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (tls->in_size == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  if (count > tls->in_size) count = tls->in_size;
  memcpy(bytes, tls->in, count);
  tls->in += count;
  tls->in_size -= count;
  *done = count;
  return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t count, size_t *done) {
  framed_tls *tls = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  // In order: once some of it had to go to the output, all that follows does.
  if (tls->direct && tls->out_size == 0 && count <= tls->direct_room - tls->direct_size) {
    memcpy(tls->direct + tls->direct_size, bytes, count);
    tls->direct_size += count;
    *done = count;
    return 1;
  }
  if (tls->out_size + count > tls->out_capacity) {
    size_t capacity = tls->out_capacity ? tls->out_capacity : 2048;
    while (capacity < tls->out_size + count) capacity *= 2;
    uint8_t *grown = realloc(tls->out, capacity);
    if (!grown) return 0;
    tls->out = grown;
    tls->out_capacity = capacity;
  }
  memcpy(tls->out + tls->out_size, bytes, count);
  tls->out_size += count;
  *done = count;
  return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static void make_method(void) {
  static const unsigned char zeros[32];
  no_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, zeros, sizeof zeros);
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "framed memory");
  if (!method) return;
  BIO_meth_set_read_ex(method, bio_read);
  BIO_meth_set_write_ex(method, bio_write);
  BIO_meth_set_ctrl(method, bio_control);
}

static void last_error(const char *what, char *error, size_t size) {
  char text[256] = "no reason given";
  unsigned long code = ERR_peek_last_error();
  if (code) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  snprintf(error, size, "%s: %s", what, text);
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
                       unsigned int in_size, void *argument) {
  (void)ssl;
  framed_tls_context *context = argument;
  unsigned char *selected;
  if (SSL_select_next_proto(&selected, out_size, context->alpn, context->alpn_size, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

// The only URI among a certificate's names; -1: there is none, or more than one.
static ptrdiff_t uri_of(X509 *certificate, char *uri, size_t size) {
  if (!certificate) return -1;
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  ptrdiff_t found = -1;
  int uris = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    uris++;
    int length = ASN1_STRING_length(name->d.uniformResourceIdentifier);
    const unsigned char *data = ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
    // A NUL inside would make it another name for whoever reads it as a C string.
    if (length <= 0 || (size_t)length > size || memchr(data, 0, (size_t)length)) continue;
    memcpy(uri, data, (size_t)length);
    found = length;
  }
  GENERAL_NAMES_free(names);
  ERR_clear_error();
  return uris == 1 ? found : -1;
}

static int64_t expiry_of(X509 *certificate) {
  struct tm time = {0};
  if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1) return -1;
  return timegm(&time);
}

enum { URI_ROOM = 2048 };

// Looks at a client's certificates as OpenSSL does, takes down who it is, and leaves of them in the connection what the rest of the
// handshake needs: a certificate of nothing but the client's key. Else each connection would hold all of them, parsed, for as long
// as it lives: ten kilobytes of thirty. Where this version of OpenSSL keeps its own list of them, they stay.
static int verify_client(X509_STORE_CTX *store, void *argument) {
  (void)argument;
  int good = X509_verify_cert(store);
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  framed_tls *tls = ssl ? SSL_get_app_data(ssl) : NULL;
  STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
  X509 *leaf = X509_STORE_CTX_get0_cert(store);
  if (good <= 0 || !tls || tls->peer_uri || sk_X509_num(sent) < 1 || sk_X509_value(sent, 0) != leaf) return good;
  char uri[URI_ROOM];
  ptrdiff_t length = uri_of(leaf, uri, sizeof uri);
  X509 *bare = X509_new();
  char *known = calloc(1, length > 0 ? (size_t)length + 1 : 1);
  if (!known || !bare || X509_set_pubkey(bare, X509_get0_pubkey(leaf)) != 1) {
    free(known);
    X509_free(bare);
    return good;
  }
  if (length > 0) memcpy(known, uri, (size_t)length);
  tls->peer_uri = known;
  tls->peer_expiry = expiry_of(leaf);
  X509_STORE_CTX_set0_verified_chain(store, NULL);
  while (sk_X509_num(sent) > 1) X509_free(sk_X509_pop(sent));
  sk_X509_set(sent, 0, bare);
  X509_free(leaf);
  return good;
}

static const char *configure(framed_tls_context *context, const char *chain, const char *key, const char *authority,
                             bool require_client_certificate, const char *alpn) {
  SSL_CTX *ssl = context->ssl;
  size_t alpn_size = strlen(alpn);
  if (alpn_size >= sizeof context->alpn) return "ALPN name";
  context->alpn[0] = (unsigned char)alpn_size;
  memcpy(context->alpn + 1, alpn, alpn_size);
  context->alpn_size = (unsigned int)alpn_size + 1;

  if (SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) != 1) return "TLS 1.3";
  if (SSL_CTX_set1_groups_list(ssl, "X25519:P-256:P-384") != 1) return "groups";
  SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // Records are read from our buffer, which holds all that came: reading ahead spares a call per record.
  SSL_CTX_set_read_ahead(ssl, 1);
  // No resumption: connections are long, and a ticket would outlive the certificate it stands for.
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ssl, 0);
  SSL_CTX_set_max_early_data(ssl, 0);

  if (chain) {
    if (SSL_CTX_use_certificate_chain_file(ssl, chain) != 1) return "certificate chain";
    if (SSL_CTX_use_PrivateKey_file(ssl, key ? key : chain, SSL_FILETYPE_PEM) != 1) return "private key";
    if (SSL_CTX_check_private_key(ssl) != 1) return "private key does not belong to the certificate";
  } else if (context->server) {
    return "a server needs a certificate";
  }
  if (authority && SSL_CTX_load_verify_locations(ssl, authority, NULL) != 1) return "certificate authority";

  if (context->server) {
    SSL_CTX_set_alpn_select_cb(ssl, select_alpn, context);
    SSL_CTX_set_cert_verify_callback(ssl, verify_client, NULL);
    if (require_client_certificate) {
      SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
      STACK_OF(X509_NAME) *names = authority ? SSL_load_client_CA_file(authority) : NULL;
      if (names) SSL_CTX_set_client_CA_list(ssl, names);
    } else {
      // A certificate that is offered must still be good.
      SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    }
  } else {
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    if (alpn_size && SSL_CTX_set_alpn_protos(ssl, context->alpn, context->alpn_size) != 0) return "ALPN";
  }
  return NULL;
}

framed_tls_context *framed_tls_context_new(bool server, const char *chain, const char *key, const char *authority,
                                           bool require_client_certificate, const char *alpn, char *error,
                                           size_t error_size) {
  pthread_once(&method_once, make_method);
  framed_tls_context *context = calloc(1, sizeof *context);
  if (!context) return NULL;
  context->server = server;
  context->ssl = method ? SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()) : NULL;
  const char *failed =
      context->ssl ? configure(context, chain, key, authority, require_client_certificate, alpn) : "context";
  if (!failed) return context;
  last_error(failed, error, error_size);
  framed_tls_context_free(context);
  return NULL;
}

void framed_tls_context_free(framed_tls_context *context) {
  if (!context) return;
  SSL_CTX_free(context->ssl);
  free(context);
}

static bool expect_name(SSL *ssl, const char *name) {
  unsigned char address[16];
  if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

framed_tls *framed_tls_new(framed_tls_context *context, const char *server_name) {
  framed_tls *tls = calloc(1, sizeof *tls);
  if (!tls) return NULL;
  tls->server = context->server;
  tls->ssl = SSL_new(context->ssl);
  BIO *bio = tls->ssl ? BIO_new(method) : NULL;
  if (!bio) {
    framed_tls_free(tls);
    return NULL;
  }
  BIO_set_data(bio, tls);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls->ssl, bio, bio);
  SSL_set_app_data(tls->ssl, tls);
  if (context->server) {
    SSL_set_accept_state(tls->ssl);
  } else {
    SSL_set_connect_state(tls->ssl);
    // Without a name any certificate of the authority would do.
    if (!server_name || !expect_name(tls->ssl, server_name)) {
      framed_tls_free(tls);
      return NULL;
    }
  }
  return tls;
}

void framed_tls_free(framed_tls *tls) {
  if (!tls) return;
  SSL_free(tls->ssl);
  free(tls->out);
  free(tls->peer_uri);
  free(tls);
}

void framed_tls_feed(framed_tls *tls, const void *bytes, size_t count) {
  tls->in = bytes;
  tls->in_size = count;
}

size_t framed_tls_unread(const framed_tls *tls) { return tls->in_size; }

const uint8_t *framed_tls_output(const framed_tls *tls, size_t *count) {
  *count = tls->out_size;
  return tls->out;
}

size_t framed_tls_direct(framed_tls *tls, void *memory, size_t room) {
  size_t written = tls->direct_size;
  tls->direct = memory;
  tls->direct_size = 0;
  tls->direct_room = room;
  return written;
}

void framed_tls_clear_output(framed_tls *tls) {
  tls->out_size = 0;
  // An idle connection holds no burst's buffer.
  if (tls->out_capacity > 16384) {
    free(tls->out);
    tls->out = NULL;
    tls->out_capacity = 0;
  }
}

void framed_tls_release(framed_tls *tls) {
  // Refused while a part of a record waits.
  SSL_free_buffers(tls->ssl);
  if (tls->out_size > 0) return;
  free(tls->out);
  tls->out = NULL;
  tls->out_capacity = 0;
}

static int outcome(framed_tls *tls, int result) {
  switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return FRAMED_TLS_WANT_MORE;
    case SSL_ERROR_ZERO_RETURN:
      return FRAMED_TLS_CLOSED;
    default:
      return FRAMED_TLS_FAILED;
  }
}

int framed_tls_handshake(framed_tls *tls) {
  ERR_clear_error();
  int result = SSL_do_handshake(tls->ssl);
  if (result != 1) return outcome(tls, result);
  // The client has shown that the key is its own; a parsed key of an elliptic curve is two kilobytes.
  X509 *bare = tls->peer_uri ? SSL_get0_peer_certificate(tls->ssl) : NULL;
  if (bare && no_key) X509_set_pubkey(bare, no_key);
  ERR_clear_error();
  return 1;
}

ptrdiff_t framed_tls_read(framed_tls *tls, void *bytes, size_t count) {
  size_t done;
  // The error queue belongs to the thread and is empty unless a call failed, and every failure clears it.
  int result = SSL_read_ex(tls->ssl, bytes, count, &done);
  return result == 1 ? (ptrdiff_t)done : outcome(tls, result);
}

ptrdiff_t framed_tls_write(framed_tls *tls, const void *bytes, size_t count) {
  size_t done;
  int result = SSL_write_ex(tls->ssl, bytes, count, &done);
  return result == 1 ? (ptrdiff_t)done : outcome(tls, result);
}

void framed_tls_close_notify(framed_tls *tls) {
  if (SSL_is_init_finished(tls->ssl)) SSL_shutdown(tls->ssl);
  ERR_clear_error();
}

const uint8_t *framed_tls_alpn(const framed_tls *tls, size_t *count) {
  const unsigned char *name = NULL;
  unsigned int size = 0;
  SSL_get0_alpn_selected(tls->ssl, &name, &size);
  *count = size;
  return name;
}

ptrdiff_t framed_tls_peer_uri(const framed_tls *tls, char *uri, size_t size) {
  if (!tls->peer_uri) return uri_of(SSL_get0_peer_certificate(tls->ssl), uri, size);
  size_t length = strlen(tls->peer_uri);
  if (length == 0 || length > size) return -1;
  memcpy(uri, tls->peer_uri, length);
  return (ptrdiff_t)length;
}

int64_t framed_tls_peer_expiry(const framed_tls *tls) {
  return tls->peer_uri ? tls->peer_expiry : expiry_of(SSL_get0_peer_certificate(tls->ssl));
}

void framed_tls_error(framed_tls *tls, char *error, size_t error_size) {
  long verified = SSL_get_verify_result(tls->ssl);
  unsigned long code = ERR_peek_last_error();
  if (verified != X509_V_OK) {
    snprintf(error, error_size, "certificate: %s", X509_verify_cert_error_string(verified));
  } else if (code) {
    const char *reason = ERR_reason_error_string(code);
    snprintf(error, error_size, "%s", reason ? reason : "TLS failure");
  } else {
    snprintf(error, error_size, "TLS failure");
  }
  ERR_clear_error();
}
