// Watches a FramedRPC server: watch PORT CERTIFICATE KEY AUTHORITY CONNECTIONS STREAMS SECONDS SERVER_PID META FROZEN.
// STREAMS: of each connection; META: of each CALL, in hex. Messages begin with a text of 20 digits: when they were published.
// SECONDS 0: only what the open connections and streams take of the server's memory. FROZEN 1: opens everything, says so and
// reads nothing until its standard input ends. Prints a line of JSON.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "measure.h"
#include "tls.h"

enum { READ = 1 << 17, HEADER = 12, WINDOW = 65536 };

typedef struct {
  int socket;
  SSL *ssl;
  uint8_t *in;
  size_t in_count, in_room, greeted, owing;
  // Bytes of each stream that were taken and not granted again.
  uint32_t *owed;
  int acknowledged, ended;
} connection;

static int streams;
static uint64_t ends, conflated;

static int write_all(connection *c, const uint8_t *bytes, size_t count) {
  while (count > 0) {
    size_t done;
    if (SSL_write_ex(c->ssl, bytes, count, &done) != 1) {
      if (SSL_get_error(c->ssl, 0) != SSL_ERROR_WANT_WRITE) return -1;
      struct pollfd wait = {.fd = c->socket, .events = POLLOUT};
      poll(&wait, 1, 1000);
      continue;
    }
    bytes += done;
    count -= done;
  }
  return 0;
}

static void put(uint8_t *to, uint32_t length, uint8_t type, uint8_t flags, uint16_t aux, uint32_t stream) {
  length = htonl(length), aux = htons(aux), stream = htonl(stream);
  memcpy(to, &length, 4);
  to[4] = type, to[5] = flags;
  memcpy(to + 6, &aux, 2);
  memcpy(to + 8, &stream, 4);
}

// CREDIT for every stream that owes half its window.
static int grant(connection *c) {
  static uint8_t frames[16 * 1024];
  size_t count = 0;
  if (c->owing == 0) return 0;
  c->owing = 0;
  for (int index = 0; index < streams; index++) {
    if (c->owed[index] < WINDOW / 2) continue;
    put(frames + count, 4, 0x06, 0, 0, (uint32_t)index * 2 + 1);
    uint32_t bytes = htonl(c->owed[index]);
    memcpy(frames + count + HEADER, &bytes, 4);
    c->owed[index] = 0;
    count += HEADER + 4;
    if (count + HEADER + 4 > sizeof frames) {
      if (write_all(c, frames, count)) return -1;
      count = 0;
    }
  }
  return write_all(c, frames, count);
}

static int receive(connection *c, measurement *m) {
  for (;;) {
    if (c->in_room - c->in_count < READ) c->in = realloc(c->in, c->in_room = c->in_room * 2 + READ);
    size_t count;
    if (SSL_read_ex(c->ssl, c->in + c->in_count, c->in_room - c->in_count, &count) != 1) {
      if (SSL_get_error(c->ssl, 0) == SSL_ERROR_WANT_READ) return grant(c);
      c->ended = 1;
      return 0;
    }
    c->in_count += count;
    size_t at = 0;
    if (!c->greeted && c->in_count >= 8) c->greeted = 1, at = 8;
    while (c->in_count - at >= HEADER) {
      const uint8_t *header = c->in + at;
      size_t length = (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
      size_t aux = (size_t)header[6] << 8 | header[7];
      if (c->in_count - at < HEADER + length) break;
      uint32_t id;
      memcpy(&id, header + 8, 4);
      id = ntohl(id);
      if (header[4] == 0x03) {
        size_t body = length - aux;
        uint32_t *owed = c->owed + (id >> 1);
        *owed += (uint32_t)body;
        if (*owed >= WINDOW / 2) c->owing = 1;
        if (header[5] & 0x10) conflated++;
        if (body >= 22 && m) {
          uint64_t published = 0;
          const uint8_t *digits = header + HEADER + aux + 2;
          for (int index = 0; index < 20; index++) published = published * 10 + (uint64_t)(digits[index] - '0');
          measure_call(m, published);
        }
      } else if (header[4] == 0x04) {
        ends++;
      } else if (header[4] == 0x07) {
        c->acknowledged = 1;
      }
      at += HEADER + length;
    }
    memmove(c->in, c->in + at, c->in_count - at);
    c->in_count -= at;
  }
}

static int open_connection(connection *c, SSL_CTX *context, int port, const uint8_t *meta, size_t meta_size) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int on = 1;
  c->socket = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(c->socket, (struct sockaddr *)&address, sizeof address)) return -1;
  setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  c->ssl = SSL_new(context);
  SSL_set_fd(c->ssl, c->socket);
  if (SSL_connect(c->ssl) != 1) return -1;
  c->owed = calloc((size_t)streams + 1, sizeof *c->owed);
  size_t count = 20, one = HEADER + meta_size;
  uint8_t *bytes = malloc(count + (size_t)streams * one + HEADER + 8);
  memcpy(bytes, "\0RPC/1\r\n", 8);
  put(bytes + 8, 0, 0x01, 0, 0, 0);
  for (int index = 0; index < streams; index++, count += one) {
    put(bytes + count, (uint32_t)meta_size, 0x02, 0x01, (uint16_t)meta_size, (uint32_t)index * 2 + 1);
    memcpy(bytes + count + HEADER, meta, meta_size);
  }
  // Its answer says that the calls before it were taken.
  put(bytes + count, 8, 0x07, 0, 0, 0);
  memset(bytes + count + HEADER, 0, 8);
  int failed = write_all(c, bytes, count + HEADER + 8);
  free(bytes);
  fcntl(c->socket, F_SETFL, O_NONBLOCK);
  return failed;
}

int main(int count, char **words) {
  if (count != 11) return 2;
  signal(SIGPIPE, SIG_IGN);
  const int port = atoi(words[1]), connections = atoi(words[5]), server = atoi(words[8]), frozen = atoi(words[10]);
  const double seconds = atof(words[7]);
  streams = atoi(words[6]);
  size_t meta_size = strlen(words[9]) / 2;
  uint8_t *meta = malloc(meta_size + 1);
  for (size_t index = 0; index < meta_size; index++) {
    unsigned value;
    sscanf(words[9] + 2 * index, "%2x", &value);
    meta[index] = (uint8_t)value;
  }
  SSL_CTX *context = tls_context(0, words[2], words[3], words[4]);
  if (!context) return 3;
  static const uint8_t protocols[] = "\x0c" "framed-rpc/1";
  SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1);
  // Thousands of them.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  const int poll_fd = epoll_create1(0);
  connection *all = calloc((size_t)connections, sizeof *all);
  const long before = private_kib(server);
  for (int index = 0; index < connections; index++) {
    if (open_connection(all + index, context, port, meta, meta_size)) return 4;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = all + index};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, all[index].socket, &event);
  }
  struct epoll_event events[64];
  int waiting = connections;
  while (waiting > 0) {
    int ready = epoll_wait(poll_fd, events, 64, 20000);
    if (ready <= 0) return 5;
    for (int index = 0; index < ready; index++) {
      connection *c = events[index].data.ptr;
      int known = c->acknowledged;
      if (receive(c, NULL) || c->ended) return 5;
      if (c->acknowledged && !known) waiting--;
    }
  }
  if (frozen) {
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF) continue;
    printf("{\"server_kib\": %ld}\n", private_kib(server) - before);
    return 0;
  }
  if (seconds <= 0) {
    // Buffers that are not used are given back after a while.
    sleep(2);
    long after = private_kib(server);
    printf("{\"before_kib\": %ld, \"after_kib\": %ld, \"bytes_each\": %.1f}\n", before, after,
           (double)(after - before) * 1024 / ((double)connections * (streams ? streams : 1)));
    return 0;
  }
  measurement m;
  measure_begin(&m, server, 1.0, seconds);
  long most = 0, looked = 0;
  int open = connections;
  while (measure_goes_on(&m) && open > 0) {
    int ready = epoll_wait(poll_fd, events, 64, 100);
    for (int index = 0; index < ready; index++) {
      connection *c = events[index].data.ptr;
      if (receive(c, &m)) return 6;
      if (c->ended) {
        epoll_ctl(poll_fd, EPOLL_CTL_DEL, c->socket, NULL);
        open--;
      }
    }
    if (looked++ % 64 == 0) {
      long now = private_kib(server);
      if (now > most) most = now;
    }
  }
  printf("{\"ends\": %llu, \"conflated\": %llu, \"most_kib\": %ld, \"open\": %d, \"measured\": ",
         (unsigned long long)ends, (unsigned long long)conflated, most, open);
  measure_print(&m);
  printf("}\n");
}
