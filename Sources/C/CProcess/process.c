#include "CProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int cprocess_find_user(const char *name, cprocess_user *user) {
  struct passwd entry, *found = NULL;
  size_t size = 1024;
  char *buffer = NULL;
  int error;
  do {
    size *= 2;
    char *larger = realloc(buffer, size);
    if (larger == NULL) {
      free(buffer);
      return ENOMEM;
    }
    buffer = larger;
    error = getpwnam_r(name, &entry, buffer, size, &found);
  } while (error == ERANGE && size < (1u << 20));
  if (error == 0 && found == NULL) error = ENOENT;
  if (error == 0) {
    memset(user, 0, sizeof *user);
    user->user_id = found->pw_uid;
    user->group_id = found->pw_gid;
    int count = CPROCESS_MAX_GROUPS;
    if (getgrouplist(name, found->pw_gid, user->groups, &count) < 0) count = CPROCESS_MAX_GROUPS;
    user->group_count = (size_t)count;
  }
  free(buffer);
  return error;
}

int cprocess_become_user(const cprocess_user *user) {
  if (geteuid() == user->user_id && getuid() == user->user_id) return 0;
  // glibc's wrappers change all threads of the process.
  if (setgroups(user->group_count, user->groups) != 0 || setresgid(user->group_id, user->group_id, user->group_id) != 0 ||
      setresuid(user->user_id, user->user_id, user->user_id) != 0)
    return errno;
  if (user->user_id != 0 && (setuid(0) == 0 || seteuid(0) == 0)) return EPERM;
  return 0;
}

int cprocess_reap(pid_t process_id, bool wait, cprocess_exit *result) {
  memset(result, 0, sizeof *result);
  int status;
  pid_t reaped;
  do reaped = waitpid(process_id, &status, wait ? 0 : WNOHANG); while (reaped < 0 && errno == EINTR);
  if (reaped < 0) return errno;
  if (reaped == 0) return 0;
  result->ended = true;
  if (WIFSIGNALED(status)) result->signal = WTERMSIG(status);
  else result->exit_code = WEXITSTATUS(status);
  return 0;
}

int cprocess_open_descriptor(pid_t process_id, int *process_descriptor) {
  int descriptor = (int)syscall(SYS_pidfd_open, process_id, 0);
  if (descriptor < 0) return errno;
  *process_descriptor = descriptor;
  return 0;
}

int cprocess_wait_descriptor(int process_descriptor, int timeout_milliseconds) {
  struct pollfd entry = {.fd = process_descriptor, .events = POLLIN};
  for (;;) {
    int count = poll(&entry, 1, timeout_milliseconds);
    if (count > 0) return 0;
    if (count == 0) return ETIMEDOUT;
    if (errno != EINTR) return errno;
  }
}

int cprocess_signal_descriptor(int process_descriptor, int signal) {
  return syscall(SYS_pidfd_send_signal, process_descriptor, signal, NULL, 0) == 0 ? 0 : errno;
}

int cprocess_signal_group(pid_t process_group, int signal) {
  if (process_group <= 1) return EINVAL; // kill(-1) is everybody, kill(0) is us
  return kill(-process_group, signal) == 0 ? 0 : errno;
}

void cprocess_name_thread(const char *name) {
  char text[16] = {0};
  strncpy(text, name, sizeof text - 1);
  prctl(PR_SET_NAME, text, 0, 0, 0);
}

int cprocess_lock_file(const char *path, int *descriptor, pid_t *holder) {
  *holder = 0;
  int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return errno;
  char text[32];
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    int error = errno;
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    if (length > 0) {
      text[length] = 0;
      *holder = (pid_t)strtol(text, NULL, 10);
    }
    close(file);
    return error;
  }
  int length = snprintf(text, sizeof text, "%d\n", (int)getpid());
  if (ftruncate(file, 0) != 0 || pwrite(file, text, (size_t)length, 0) != length) {
    int error = errno;
    close(file);
    return error;
  }
  *descriptor = file;
  return 0;
}
