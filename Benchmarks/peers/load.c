// Calls a FramedRPC server, or the floor: load PORT CERTIFICATE KEY AUTHORITY CONNECTIONS IN_FLIGHT SECONDS SERVER_PID RATE META BODY.
// META and BODY: of each CALL, in hex. Prints a line of JSON. RATE as in grpc_client.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"
#include "tls.h"

enum { READ = 1 << 17, HEADER = 12, SLOTS = 1 << 16 };

typedef struct {
  int socket;
  SSL *ssl;
  uint8_t *in, *out;
  size_t in_count, in_room, out_count, out_room, sent, greeted, open;
  uint32_t next;
  // When a call began, by its id's lower bits.
  uint64_t began[SLOTS];
} connection;

static uint8_t *frame;
static size_t frame_size;
static int poll_fd;

static uint8_t *unhex(const char *text, size_t *count) {
  *count = strlen(text) / 2;
  uint8_t *bytes = malloc(*count + 1);
  for (size_t index = 0; index < *count; index++) {
    unsigned value;
    sscanf(text + 2 * index, "%2x", &value);
    bytes[index] = (uint8_t)value;
  }
  return bytes;
}

static void call(connection *c, uint64_t when) {
  if (c->out_count + frame_size > c->out_room) c->out = realloc(c->out, c->out_room = (c->out_count + frame_size) * 2);
  uint8_t *to = c->out + c->out_count;
  memcpy(to, frame, frame_size);
  uint32_t id = htonl(c->next);
  memcpy(to + 8, &id, 4);
  c->began[(c->next >> 1) & (SLOTS - 1)] = when;
  c->next += 2;
  c->open++;
  c->out_count += frame_size;
}

static int flush(connection *c) {
  while (c->sent < c->out_count) {
    size_t count;
    if (SSL_write_ex(c->ssl, c->out + c->sent, c->out_count - c->sent, &count) != 1) {
      if (SSL_get_error(c->ssl, 0) != SSL_ERROR_WANT_WRITE) return -1;
      struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
      epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->socket, &event);
      return 0;
    }
    c->sent += count;
  }
  c->sent = c->out_count = 0;
  return 0;
}

// Reads what came; each answer makes room for a call. -1: the connection is gone, or a call failed.
static int receive(connection *c, measurement *m, int again) {
  for (;;) {
    if (c->in_room - c->in_count < READ) c->in = realloc(c->in, c->in_room = c->in_room * 2 + READ);
    size_t count;
    if (SSL_read_ex(c->ssl, c->in + c->in_count, c->in_room - c->in_count, &count) != 1) {
      if (SSL_get_error(c->ssl, 0) != SSL_ERROR_WANT_READ) return -1;
      return 0;
    }
    c->in_count += count;
    size_t at = 0;
    if (!c->greeted && c->in_count >= 8) {
      c->greeted = 1;
      at = 8;
    }
    while (c->in_count - at >= HEADER) {
      const uint8_t *header = c->in + at;
      size_t length = (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
      if (c->in_count - at < HEADER + length) break;
      if (header[4] == 0x04) {
        // Metadata in an END: not OK.
        if (header[6] | header[7]) return -1;
        uint32_t id;
        memcpy(&id, header + 8, 4);
        measure_call(m, c->began[(ntohl(id) >> 1) & (SLOTS - 1)]);
        c->open--;
        if (again) call(c, monotonic_ns());
      } else if (header[4] == 0x08) {
        return -1;
      }
      at += HEADER + length;
    }
    memmove(c->in, c->in + at, c->in_count - at);
    c->in_count -= at;
  }
}

static int open_connection(connection *c, SSL_CTX *context, int port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int on = 1;
  c->next = 1;
  c->socket = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(c->socket, (struct sockaddr *)&address, sizeof address)) return -1;
  setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  c->ssl = SSL_new(context);
  SSL_set_fd(c->ssl, c->socket);
  if (SSL_connect(c->ssl) != 1) return -1;
  fcntl(c->socket, F_SETFL, O_NONBLOCK);
  static const uint8_t hello[] = {0x00, 'R', 'P', 'C', '/', '1', '\r', '\n', 0, 0, 0, 0, 0x01, 0, 0, 0, 0, 0, 0, 0};
  c->out = malloc(c->out_room = 1 << 16);
  memcpy(c->out, hello, sizeof hello);
  c->out_count = sizeof hello;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  return epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->socket, &event);
}

int main(int count, char **words) {
  if (count != 12) return 2;
  signal(SIGPIPE, SIG_IGN);
  const int port = atoi(words[1]), connections = atoi(words[5]), in_flight = atoi(words[6]), rate = atoi(words[9]);
  size_t meta_size, body_size;
  uint8_t *meta = unhex(words[10], &meta_size), *body = unhex(words[11], &body_size);
  frame_size = HEADER + meta_size + body_size;
  frame = calloc(1, frame_size);
  size_t length = meta_size + body_size;
  frame[2] = (uint8_t)(length >> 8), frame[3] = (uint8_t)length, frame[4] = 0x02, frame[5] = 0x01;
  frame[6] = (uint8_t)(meta_size >> 8), frame[7] = (uint8_t)meta_size;
  memcpy(frame + HEADER, meta, meta_size);
  memcpy(frame + HEADER + meta_size, body, body_size);

  SSL_CTX *context = tls_context(0, words[2], words[3], words[4]);
  if (!context) return 3;
  static const uint8_t protocols[] = "\x0c" "framed-rpc/1";
  SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1);
  poll_fd = epoll_create1(0);
  connection *all = calloc((size_t)connections, sizeof *all);
  for (int index = 0; index < connections; index++)
    if (open_connection(all + index, context, port)) return 4;
  measurement m;
  measure_begin(&m, atoi(words[8]), 1.0, atof(words[7]));
  uint64_t next = monotonic_ns(), gap = rate ? 1000000000ull / (uint64_t)rate : 0;
  if (!rate)
    for (int index = 0; index < connections * in_flight; index++) call(all + index % connections, next);
  for (int index = 0; index < connections; index++)
    if (flush(all + index)) return 5;
  struct epoll_event events[64];
  for (unsigned turn = 0; measure_goes_on(&m);) {
    struct timespec wait = {.tv_nsec = 100000000};
    if (rate) {
      uint64_t now = monotonic_ns();
      for (; next <= now; next += gap) call(all + turn++ % (unsigned)connections, next);
      for (int index = 0; index < connections; index++)
        if (flush(all + index)) return 5;
      now = monotonic_ns();
      wait.tv_nsec = next > now ? (long)(next - now) : 0;
    }
    int ready = epoll_pwait2(poll_fd, events, 64, &wait, NULL);
    for (int index = 0; index < ready; index++) {
      connection *c = events[index].data.ptr;
      if (events[index].events & EPOLLOUT) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->socket, &event);
      }
      if (receive(c, &m, !rate) || flush(c)) return 5;
    }
  }
  measure_print(&m);
}
