#pragma once
#include <stddef.h>

// The least a TLS client can be: OpenSSL on a blocking socket. What arrives is seen one wake-up of one thread later.

typedef struct raw_tls raw_tls;

/// Connects with TLS 1.3, `alpn` and a client certificate. NULL: `reason` (of `size` bytes) says why.
raw_tls *raw_tls_connect(
    const char *host, int port, const char *alpn, const char *certificate, const char *key, const char *authority, char *reason,
    size_t size);

/// 0: all was written.
int raw_tls_write(raw_tls *connection, const void *bytes, size_t count);

/// Waits for bytes; how many came, 0 or less once the connection is over.
int raw_tls_read(raw_tls *connection, void *bytes, size_t count);
