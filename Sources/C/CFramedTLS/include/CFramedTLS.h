#pragma once
// TLS 1.3 through OpenSSL with memory on both sides: ciphertext is handed in by pointer and taken out of a buffer, so
// one event loop's read and write are one system call each and the same code runs without a socket in tests.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct framed_tls_context framed_tls_context;
typedef struct framed_tls framed_tls;

enum {
  FRAMED_TLS_WANT_MORE = 0,   // needs ciphertext that has not come
  FRAMED_TLS_FAILED = -1,     // see framed_tls_error
  FRAMED_TLS_CLOSED = -2,     // the peer sent close_notify
};

// Either side's context. Paths are PEM files; certificate and key may be NULL on a client. alpn may be
// empty on a client, which then offers none. On a failure NULL, and the reason in error.
framed_tls_context *framed_tls_context_new(bool server, const char *certificate_chain, const char *private_key,
                                           const char *authority, bool require_client_certificate, const char *alpn,
                                           char *error, size_t error_size);
void framed_tls_context_free(framed_tls_context *context);

// One connection. server_name: clients only, the name or address the certificate must carry. NULL when out of memory.
framed_tls *framed_tls_new(framed_tls_context *context, const char *server_name);
void framed_tls_free(framed_tls *tls);

// Ciphertext from the peer; the pointer must stay valid until it was all consumed by handshake or read.
void framed_tls_feed(framed_tls *tls, const void *bytes, size_t count);
size_t framed_tls_unread(const framed_tls *tls);

// Ciphertext for the peer.
const uint8_t *framed_tls_output(const framed_tls *tls, size_t *count);
// Until the next call, ciphertext goes to `memory` where it fits, and to the output where not. NULL ends it; returns how much went
// there. The output must be empty.
size_t framed_tls_direct(framed_tls *tls, void *memory, size_t room);
// Everything in the output was taken.
void framed_tls_clear_output(framed_tls *tls);
// Gives back the memory of records that is not in use: an idle connection holds none.
void framed_tls_release(framed_tls *tls);

// 1 when done, else one of the values above.
int framed_tls_handshake(framed_tls *tls);
// Bytes read or written (> 0), else one of the values above.
ptrdiff_t framed_tls_read(framed_tls *tls, void *bytes, size_t count);
ptrdiff_t framed_tls_write(framed_tls *tls, const void *bytes, size_t count);
void framed_tls_close_notify(framed_tls *tls);

// The protocol agreed on; count 0: none.
const uint8_t *framed_tls_alpn(const framed_tls *tls, size_t *count);
// The only URI among the peer certificate's subject alternative names; -1: no certificate, no URI, or several.
ptrdiff_t framed_tls_peer_uri(const framed_tls *tls, char *uri, size_t size);
// When the peer's certificate expires, in seconds since 1970; -1: it has none.
int64_t framed_tls_peer_expiry(const framed_tls *tls);
// What went wrong, for logs.
void framed_tls_error(framed_tls *tls, char *error, size_t error_size);
