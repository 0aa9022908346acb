/* TEST-ONLY, for LD_PRELOAD: a disk that is full below some folders.
 *
 * FULL_DISK_BELOW    absolute folders, separated by colons
 * FULL_DISK_CONTROL  a file of 24 bytes that every process of a test maps: struct control below
 *
 * While `armed` is set, files below the folders may grow by `left` bytes altogether, whichever process writes; what would grow
 * them further fails with ENOSPC and is counted. As on a real disk, writing over what a file already has costs nothing. Space
 * that files give back is not given out again: a test lifts the limit by clearing `armed`.
 *
 * Only calls through the dynamic linker are seen. Of buffered output that is fwrite, which GDAL writes with; what is still in
 * the buffer may be counted more than once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
  _Atomic uint64_t armed;
  _Atomic int64_t left;
  _Atomic uint64_t refused;
};

/* What a new file or folder takes. */
enum { BLOCK = 4096 };

static struct control *control;
static const char *folders;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FULL_DISK_CONTROL");
  const char *below = getenv("FULL_DISK_BELOW");
  if (!path || !below) return;
  // A copy: PostgreSQL writes the titles of its processes over its first environment.
  folders = strdup(below);
  if (!folders) return;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) control = mapped;
}

static bool is_armed(void) { return control && atomic_load_explicit(&control->armed, memory_order_relaxed); }

static bool is_below(const char *path) {
  for (const char *folder = folders; *folder;) {
    size_t length = strcspn(folder, ":");
    if (length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length])) return true;
    folder += length + (folder[length] == ':');
  }
  return false;
}

/* Absolute, without resolving links: the programs under test name their files plainly. */
static bool names_below(int directory, const char *name) {
  char path[2 * PATH_MAX], link[64];
  if (name[0] == '/') return is_below(name);
  if (directory == AT_FDCWD) {
    if (!getcwd(path, PATH_MAX)) return false;
  } else {
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return false;
    path[length] = 0;
  }
  size_t length = strlen(path);
  snprintf(path + length, sizeof path - length, "/%s", name);
  return is_below(path);
}

/* Takes `bytes` of what is left; false and ENOSPC where that is not enough. */
static bool take(int64_t bytes) {
  if (bytes <= 0) return true;
  int64_t left = atomic_load(&control->left);
  while (left >= bytes) {
    if (atomic_compare_exchange_weak(&control->left, &left, left - bytes)) return true;
  }
  atomic_fetch_add(&control->refused, 1);
  errno = ENOSPC;
  return false;
}

/* Whether `fd`, a plain file below a folder, may grow to `end`; end < 0: by `count` bytes where it stands. */
static bool may_grow(int fd, off_t end, size_t count) {
  if (!is_armed()) return true;
  int saved = errno;
  struct stat status;
  char link[64], path[PATH_MAX];
  if (fstat(fd, &status) || !S_ISREG(status.st_mode)) {
    errno = saved;
    return true;
  }
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  errno = saved;
  if (length < 0) return true;
  path[length] = 0;
  if (!is_below(path)) return true;
  if (end < 0) {
    bool appends = fcntl(fd, F_GETFL) & O_APPEND;
    end = (appends ? status.st_size : lseek(fd, 0, SEEK_CUR)) + (off_t)count;
  }
  return take(end - status.st_size);
}

static bool may_make(int directory, const char *name) {
  return !is_armed() || !names_below(directory, name) || faccessat(directory, name, F_OK, 0) == 0 || take(BLOCK);
}

static size_t total(const struct iovec *parts, int count) {
  size_t bytes = 0;
  for (int i = 0; i < count; i++) bytes += parts[i].iov_len;
  return bytes;
}

/* The C library's own. */
#define REAL(name)                                             \
  ({                                                           \
    static void *found;                                        \
    if (!found) found = dlsym(RTLD_NEXT, #name);               \
    (__typeof__(&name))found;                                  \
  })

ssize_t write(int fd, const void *bytes, size_t count) {
  return may_grow(fd, -1, count) ? REAL(write)(fd, bytes, count) : -1;
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  return may_grow(fd, -1, total(parts, count)) ? REAL(writev)(fd, parts, count) : -1;
}

size_t fwrite(const void *bytes, size_t size, size_t count, FILE *stream) {
  off_t at = is_armed() ? ftello(stream) : -1;
  if (at >= 0 && !may_grow(fileno(stream), at + (off_t)(size * count), 0)) return 0;
  return REAL(fwrite)(bytes, size, count, stream);
}

#define PWRITE(name, offset_type)                                                 \
  ssize_t name(int fd, const void *bytes, size_t count, offset_type at) {         \
    return may_grow(fd, at + (off_t)count, 0) ? REAL(name)(fd, bytes, count, at) : -1; \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define PWRITEV(name, offset_type)                                                             \
  ssize_t name(int fd, const struct iovec *parts, int count, offset_type at) {                 \
    return may_grow(fd, at + (off_t)total(parts, count), 0) ? REAL(name)(fd, parts, count, at) : -1; \
  }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define PWRITEV2(name, offset_type)                                                          \
  ssize_t name(int fd, const struct iovec *parts, int count, offset_type at, int flags) {    \
    off_t end = at < 0 ? -1 : at + (off_t)total(parts, count);                               \
    return may_grow(fd, end, total(parts, count)) ? REAL(name)(fd, parts, count, at, flags) : -1; \
  }
PWRITEV2(pwritev2, off_t)
PWRITEV2(pwritev64v2, off64_t)

#define FALLOCATE(name, offset_type)                                     \
  int name(int fd, int mode, offset_type at, offset_type length) {       \
    return mode || may_grow(fd, at + length, 0) ? REAL(name)(fd, mode, at, length) : -1; \
  }
FALLOCATE(fallocate, off_t)
FALLOCATE(fallocate64, off64_t)

/* Answers the error, and leaves errno. */
#define POSIX_FALLOCATE(name, offset_type)                      \
  int name(int fd, offset_type at, offset_type length) {        \
    return may_grow(fd, at + length, 0) ? REAL(name)(fd, at, length) : ENOSPC; \
  }
POSIX_FALLOCATE(posix_fallocate, off_t)
POSIX_FALLOCATE(posix_fallocate64, off64_t)

#define FTRUNCATE(name, offset_type) \
  int name(int fd, offset_type length) { return may_grow(fd, length, 0) ? REAL(name)(fd, length) : -1; }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define MODE(flags)                                     \
  mode_t mode = 0;                                      \
  if ((flags) & (O_CREAT | O_TMPFILE)) {                \
    va_list more;                                       \
    va_start(more, flags);                              \
    mode = va_arg(more, mode_t);                        \
    va_end(more);                                       \
  }
#define OPEN(name)                                                                             \
  int name(const char *path, int flags, ...) {                                                 \
    MODE(flags)                                                                                \
    return !(flags & O_CREAT) || may_make(AT_FDCWD, path) ? REAL(name)(path, flags, mode) : -1; \
  }
OPEN(open)
OPEN(open64)
#define OPENAT(name)                                                                                        \
  int name(int directory, const char *path, int flags, ...) {                                               \
    MODE(flags)                                                                                             \
    return !(flags & O_CREAT) || may_make(directory, path) ? REAL(name)(directory, path, flags, mode) : -1; \
  }
OPENAT(openat)
OPENAT(openat64)

int mkdir(const char *path, mode_t mode) { return may_make(AT_FDCWD, path) ? REAL(mkdir)(path, mode) : -1; }
int mkdirat(int directory, const char *path, mode_t mode) {
  return may_make(directory, path) ? REAL(mkdirat)(directory, path, mode) : -1;
}
