// Calls counted and timed over a span, with the processor time of the server's process and of one's own.
#ifndef MEASURE_H
#define MEASURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

// User and system time of a process so far, of all its threads, in microseconds; the kernel counts in steps of 10 ms.
static inline double cpu_us(int pid) {
  char path[64], line[2048];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  double total = 0;
  if (fgets(line, sizeof line, file)) {
    char *rest = strrchr(line, ')');
    unsigned long user = 0, system_time = 0;
    if (rest &&
        sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system_time) == 2)
      total = (double)(user + system_time) * 1e6 / (double)sysconf(_SC_CLK_TCK);
  }
  fclose(file);
  return total;
}

static inline double own_cpu_us(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec * 1e6 + usage.ru_utime.tv_usec + usage.ru_stime.tv_sec * 1e6 + usage.ru_stime.tv_usec;
}

// Latencies in a histogram of 64 steps to each power of two: within 1.6 %.
enum { MEASURE_BUCKETS = 4096 };

typedef struct {
  int server;
  int measuring;
  uint64_t start, end, calls, largest;
  double server_cpu, own_cpu;
  uint64_t buckets[MEASURE_BUCKETS];
} measurement;

static inline void measure_begin(measurement *m, int server, double warm_up, double seconds) {
  memset(m, 0, sizeof *m);
  m->server = server;
  m->start = monotonic_ns() + (uint64_t)(warm_up * 1e9);
  m->end = m->start + (uint64_t)(seconds * 1e9);
}

static inline int measure_goes_on(measurement *m) {
  uint64_t now = monotonic_ns();
  if (!m->measuring && now >= m->start) {
    m->measuring = 1;
    m->start = now;
    m->server_cpu = cpu_us(m->server);
    m->own_cpu = own_cpu_us();
  }
  if (now < m->end) return 1;
  m->server_cpu = cpu_us(m->server) - m->server_cpu;
  m->own_cpu = own_cpu_us() - m->own_cpu;
  m->end = now;
  return 0;
}

static inline void measure_call(measurement *m, uint64_t began) {
  if (!m->measuring) return;
  uint64_t took = monotonic_ns() - began;
  m->calls++;
  if (took > m->largest) m->largest = took;
  int bucket = (int)took;
  if (took >= 64) {
    int power = 63 - __builtin_clzll(took);
    bucket = (power - 5) * 64 + (int)((took >> (power - 6)) & 63);
  }
  m->buckets[bucket < MEASURE_BUCKETS ? bucket : MEASURE_BUCKETS - 1]++;
}

// In microseconds.
static inline double measure_percentile(const measurement *m, double share) {
  uint64_t before = 0, wanted = (uint64_t)(share * (double)m->calls);
  for (int bucket = 0; bucket < MEASURE_BUCKETS; bucket++) {
    before += m->buckets[bucket];
    if (before > wanted) {
      if (bucket < 64) return bucket / 1e3;
      return (double)((64ull + (uint64_t)(bucket % 64)) << (bucket / 64 - 1)) / 1e3;
    }
  }
  return (double)m->largest / 1e3;
}

static inline void measure_print(const measurement *m) {
  double seconds = (double)(m->end - m->start) / 1e9, calls = (double)m->calls;
  printf(
      "{\"calls\": %llu, \"calls_per_second\": %.1f, \"server_us\": %.4f, \"client_us\": %.4f, \"p50_us\": %.1f, "
      "\"p99_us\": %.1f}\n",
      (unsigned long long)m->calls, calls / seconds, m->server_cpu / calls, m->own_cpu / calls,
      measure_percentile(m, 0.5), measure_percentile(m, 0.99));
}

#endif
