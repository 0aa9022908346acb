// Calls counted and timed over a span, with the processor time of the server's process and of one's own.
#ifndef MEASURE_H
#define MEASURE_H

#include <dirent.h>
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

// Processor time of a process so far, user and system, of all its threads that still run, in microseconds.
static inline double cpu_us(int pid) {
  char path[300];
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *folder = opendir(path);
  if (!folder) return 0;
  double total = 0;
  for (struct dirent *task; (task = readdir(folder));) {
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
    FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "r");
    if (!file) continue;
    unsigned long long nanoseconds = 0;
    if (fscanf(file, "%llu", &nanoseconds) == 1) total += (double)nanoseconds / 1e3;
    fclose(file);
  }
  closedir(folder);
  return total;
}

// Memory a process holds that no other shares, in KiB.
static inline long private_kib(int pid) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
  FILE *file = fopen(path, "r");
  long total = 0, part = 0;
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "Private_Clean: %ld", &part) == 1 || sscanf(line, "Private_Dirty: %ld", &part) == 1) total += part;
  if (file) fclose(file);
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
