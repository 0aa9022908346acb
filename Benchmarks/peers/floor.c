// The least a TLS server can do: floor CERTIFICATE KEY AUTHORITY. For each CALL frame it sends an END with the same body;
// it knows nothing of metadata, credit or anything else. Prints its port.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls.h"

enum { READ = 1 << 17, HEADER = 12 };

typedef struct {
  int socket;
  SSL *ssl;
  uint8_t *in, *out;
  size_t in_count, in_room, out_count, out_room, greeted;
} connection;

static void answer(connection *c) {
  size_t at = 0;
  if (!c->greeted) {
    if (c->in_count < 8) return;
    at = 8;
    c->greeted = 1;
  }
  while (c->in_count - at >= HEADER) {
    const uint8_t *frame = c->in + at;
    size_t length = (size_t)frame[1] << 16 | (size_t)frame[2] << 8 | frame[3], aux = (size_t)frame[6] << 8 | frame[7];
    if (c->in_count - at < HEADER + length) break;
    if (frame[4] == 0x02) {
      size_t body = length - aux, need = c->out_count + HEADER + body;
      if (need > c->out_room) c->out = realloc(c->out, c->out_room = need * 2);
      uint8_t *to = c->out + c->out_count;
      uint8_t head[HEADER] = {0, (uint8_t)(body >> 16), (uint8_t)(body >> 8), (uint8_t)body, 0x04};
      memcpy(head + 8, frame + 8, 4);
      memcpy(to, head, HEADER);
      memcpy(to + HEADER, frame + HEADER + aux, body);
      c->out_count = need;
    }
    at += HEADER + length;
  }
  memmove(c->in, c->in + at, c->in_count - at);
  c->in_count -= at;
}

static int serve(connection *c) {
  for (;;) {
    if (c->in_room - c->in_count < READ) c->in = realloc(c->in, c->in_room = c->in_room * 2 + READ);
    size_t count;
    if (SSL_read_ex(c->ssl, c->in + c->in_count, c->in_room - c->in_count, &count) != 1) {
      if (SSL_get_error(c->ssl, 0) != SSL_ERROR_WANT_READ) return -1;
      break;
    }
    c->in_count += count;
    answer(c);
  }
  size_t sent = 0;
  while (sent < c->out_count) {
    size_t count;
    if (SSL_write_ex(c->ssl, c->out + sent, c->out_count - sent, &count) == 1)
      sent += count;
    else if (SSL_get_error(c->ssl, 0) == SSL_ERROR_WANT_WRITE)
      usleep(20);
    else
      return -1;
  }
  c->out_count = 0;
  return 0;
}

int main(int count, char **words) {
  if (count != 4) return 2;
  signal(SIGPIPE, SIG_IGN);
  SSL_CTX *context = tls_context(1, words[1], words[2], words[3]);
  if (!context) return 3;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 128) ||
      getsockname(listener, (struct sockaddr *)&address, &size))
    return 4;
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  int poll = epoll_create1(0), on = 1;
  struct epoll_event event = {.events = EPOLLIN}, events[64];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int ready = epoll_wait(poll, events, 64, -1);
    for (int index = 0; index < ready; index++) {
      connection *c = events[index].data.ptr;
      if (!c) {
        c = calloc(1, sizeof *c);
        c->socket = accept(listener, NULL, NULL);
        setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c->ssl = SSL_new(context);
        SSL_set_fd(c->ssl, c->socket);
        // The handshake waits: it is not what is measured.
        if (SSL_accept(c->ssl) != 1) return 5;
        fcntl(c->socket, F_SETFL, O_NONBLOCK);
        uint8_t hello[20] = {0x00, 'R', 'P', 'C', '/', '1', '\r', '\n', 0, 0, 0, 0, 0x01};
        size_t written;
        SSL_write_ex(c->ssl, hello, sizeof hello, &written);
        struct epoll_event added = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poll, EPOLL_CTL_ADD, c->socket, &added);
        // What came with the handshake is in TLS's own buffer.
        serve(c);
      } else if (serve(c) < 0) {
        close(c->socket);
        SSL_free(c->ssl);
        free(c->in);
        free(c->out);
        free(c);
      }
    }
  }
}
