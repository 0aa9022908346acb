#include "CProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 16
#define MAX_LIMITS 16

typedef struct {
  char **items; // NULL-terminated
  size_t count;
} string_list;

struct cprocess_request {
  char *executable;
  string_list arguments;
  string_list environment;
  char *working_directory;
  struct { int source, target; } descriptors[MAX_DESCRIPTORS];
  size_t descriptor_count;
  struct { int resource; struct rlimit limit; } limits[MAX_LIMITS];
  size_t limit_count;
  cprocess_user user;
  bool change_user, new_process_group, new_session, no_new_privileges, set_oom, set_nice, set_umask;
  int parent_death_signal, oom_score_adjustment, nice_value;
  mode_t mask;
};

static int append(string_list *list, char *owned) {
  if (owned == NULL) return ENOMEM;
  char **items = realloc(list->items, (list->count + 2) * sizeof *items);
  if (items == NULL) {
    free(owned);
    return ENOMEM;
  }
  items[list->count++] = owned;
  items[list->count] = NULL;
  list->items = items;
  return 0;
}

static void release(string_list *list) {
  for (size_t i = 0; i < list->count; i++) free(list->items[i]);
  free(list->items);
}

cprocess_request *cprocess_request_create(const char *executable) {
  cprocess_request *request = calloc(1, sizeof *request);
  if (request == NULL) return NULL;
  request->executable = strdup(executable);
  request->environment.items = calloc(1, sizeof(char *));
  if (request->executable == NULL || request->environment.items == NULL ||
      append(&request->arguments, strdup(executable)) != 0) {
    cprocess_request_destroy(request);
    return NULL;
  }
  return request;
}

void cprocess_request_destroy(cprocess_request *request) {
  if (request == NULL) return;
  free(request->executable);
  free(request->working_directory);
  release(&request->arguments);
  release(&request->environment);
  free(request);
}

int cprocess_add_argument(cprocess_request *request, const char *argument) {
  return append(&request->arguments, strdup(argument));
}

int cprocess_set_environment(cprocess_request *request, const char *name, const char *value) {
  size_t name_length = strlen(name), value_length = strlen(value);
  if (name_length == 0 || strchr(name, '=') != NULL) return EINVAL;
  char *entry = malloc(name_length + value_length + 2);
  if (entry == NULL) return ENOMEM;
  memcpy(entry, name, name_length);
  entry[name_length] = '=';
  memcpy(entry + name_length + 1, value, value_length + 1);
  for (size_t i = 0; i < request->environment.count; i++) {
    if (strncmp(request->environment.items[i], entry, name_length + 1) == 0) {
      free(request->environment.items[i]);
      request->environment.items[i] = entry;
      return 0;
    }
  }
  return append(&request->environment, entry);
}

int cprocess_set_working_directory(cprocess_request *request, const char *path) {
  char *copy = strdup(path);
  if (copy == NULL) return ENOMEM;
  free(request->working_directory);
  request->working_directory = copy;
  return 0;
}

int cprocess_map_descriptor(cprocess_request *request, int source, int target) {
  if (source < 0 || target < 0 || target >= 256) return EBADF;
  if (request->descriptor_count == MAX_DESCRIPTORS) return E2BIG;
  request->descriptors[request->descriptor_count].source = source;
  request->descriptors[request->descriptor_count++].target = target;
  return 0;
}

int cprocess_limit(cprocess_request *request, int resource, uint64_t soft, uint64_t hard) {
  if (request->limit_count == MAX_LIMITS) return E2BIG;
  request->limits[request->limit_count].resource = resource;
  request->limits[request->limit_count].limit.rlim_cur = soft == UINT64_MAX ? RLIM_INFINITY : (rlim_t)soft;
  request->limits[request->limit_count++].limit.rlim_max = hard == UINT64_MAX ? RLIM_INFINITY : (rlim_t)hard;
  return 0;
}

void cprocess_set_user(cprocess_request *request, const cprocess_user *user) {
  request->user = *user;
  request->change_user = true;
}
void cprocess_set_new_process_group(cprocess_request *request) { request->new_process_group = true; }
void cprocess_set_new_session(cprocess_request *request) { request->new_session = true; }
void cprocess_set_parent_death_signal(cprocess_request *request, int signal) { request->parent_death_signal = signal; }
void cprocess_set_no_new_privileges(cprocess_request *request) { request->no_new_privileges = true; }
void cprocess_set_oom_score_adjustment(cprocess_request *request, int adjustment) {
  request->oom_score_adjustment = adjustment;
  request->set_oom = true;
}
void cprocess_set_nice(cprocess_request *request, int nice_value) {
  request->nice_value = nice_value;
  request->set_nice = true;
}
void cprocess_set_umask(cprocess_request *request, mode_t mask) {
  request->mask = mask;
  request->set_umask = true;
}

const char *cprocess_stage_name(cprocess_stage stage) {
  switch (stage) {
  case CPROCESS_STAGE_NONE: return "none";
  case CPROCESS_STAGE_PREPARE: return "prepare";
  case CPROCESS_STAGE_FORK: return "fork";
  case CPROCESS_STAGE_PARENT_DEATH_SIGNAL: return "parent death signal";
  case CPROCESS_STAGE_SESSION: return "session";
  case CPROCESS_STAGE_LIMITS: return "limits";
  case CPROCESS_STAGE_DESCRIPTORS: return "descriptors";
  case CPROCESS_STAGE_USER: return "user";
  case CPROCESS_STAGE_NO_NEW_PRIVILEGES: return "no new privileges";
  case CPROCESS_STAGE_WORKING_DIRECTORY: return "working directory";
  case CPROCESS_STAGE_EXECUTE: return "execute";
  }
  return "unknown";
}

// -------------------------------------------------------------------------- in the child, between fork and execve
// Only async-signal-safe calls from here on: other threads of the parent may have held any lock at the fork.

typedef struct {
  int error;
  cprocess_stage stage;
} failure;

static void fail(int report, cprocess_stage stage, int error) {
  failure message = {error, stage};
  ssize_t ignored = write(report, &message, sizeof message);
  (void)ignored;
  _exit(127);
}

static void die_with_parent(const cprocess_request *request, pid_t parent, int report) {
  if (request->parent_death_signal == 0) return;
  if (prctl(PR_SET_PDEATHSIG, request->parent_death_signal) != 0)
    fail(report, CPROCESS_STAGE_PARENT_DEATH_SIGNAL, errno);
  if (getppid() != parent) _exit(127); // the parent went between fork and prctl: nobody is left to tell
}

static void reset_signals(void) {
  struct sigaction standard;
  memset(&standard, 0, sizeof standard);
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL); // fails for KILL and STOP: fine
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void write_oom_score(int adjustment) {
  char text[16];
  int length = 0, value = adjustment < 0 ? -adjustment : adjustment;
  char digits[12];
  int count = 0;
  do digits[count++] = (char)('0' + value % 10); while ((value /= 10) > 0);
  if (adjustment < 0) text[length++] = '-';
  while (count > 0) text[length++] = digits[--count];
  int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return; // advice to the kernel: a child without it is still a good child
  ssize_t ignored = write(file, text, (size_t)length);
  (void)ignored;
  close(file);
}

// Moves every source out of the way of the targets first, so that a mapping such as 3→4, 4→3 works.
static void arrange_descriptors(const cprocess_request *request, int *report) {
  int highest = 2;
  for (size_t i = 0; i < request->descriptor_count; i++)
    if (request->descriptors[i].target > highest) highest = request->descriptors[i].target;
  int moved_report = fcntl(*report, F_DUPFD_CLOEXEC, highest + 1);
  if (moved_report < 0) fail(*report, CPROCESS_STAGE_DESCRIPTORS, errno);
  *report = moved_report;
  int sources[MAX_DESCRIPTORS];
  for (size_t i = 0; i < request->descriptor_count; i++) {
    sources[i] = fcntl(request->descriptors[i].source, F_DUPFD_CLOEXEC, highest + 1);
    if (sources[i] < 0) fail(*report, CPROCESS_STAGE_DESCRIPTORS, errno);
  }
  bool taken[256] = {false};
  for (size_t i = 0; i < request->descriptor_count; i++) {
    if (dup2(sources[i], request->descriptors[i].target) < 0) fail(*report, CPROCESS_STAGE_DESCRIPTORS, errno);
    taken[request->descriptors[i].target] = true;
  }
  for (int target = 0; target <= highest; target++) {
    if (taken[target]) continue;
    if (target > 2) {
      close(target);
      continue;
    }
    int null = open("/dev/null", target == 0 ? O_RDONLY : O_WRONLY);
    if (null < 0) fail(*report, CPROCESS_STAGE_DESCRIPTORS, errno);
    if (null != target) {
      if (dup2(null, target) < 0) fail(*report, CPROCESS_STAGE_DESCRIPTORS, errno);
      close(null);
    }
  }
  if (syscall(SYS_close_range, (unsigned)highest + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
    fail(*report, CPROCESS_STAGE_DESCRIPTORS, errno);
}

static void become(const cprocess_request *request, int report) {
  if (!request->change_user) return;
  const cprocess_user *user = &request->user;
  if (setgroups(user->group_count, user->groups) != 0 || setresgid(user->group_id, user->group_id, user->group_id) != 0 ||
      setresuid(user->user_id, user->user_id, user->user_id) != 0)
    fail(report, CPROCESS_STAGE_USER, errno);
  if (user->user_id != 0 && setuid(0) == 0) fail(report, CPROCESS_STAGE_USER, EPERM);
}

// No more than this process may have itself: raising a hard limit needs privileges.
static int set_limit(int resource, struct rlimit limit) {
  struct rlimit own;
  if (getrlimit(resource, &own) != 0) return -1;
  if (limit.rlim_max > own.rlim_max) limit.rlim_max = own.rlim_max;
  if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
  return setrlimit(resource, &limit);
}

static void run_child(const cprocess_request *request, pid_t parent, int report) {
  die_with_parent(request, parent, report);
  reset_signals();
  if (request->new_session && setsid() < 0) fail(report, CPROCESS_STAGE_SESSION, errno);
  if (request->new_process_group && !request->new_session && setpgid(0, 0) != 0)
    fail(report, CPROCESS_STAGE_SESSION, errno);
  if (request->set_umask) umask(request->mask);
  if (request->set_oom) write_oom_score(request->oom_score_adjustment);
  // Who runs at a lower priority already may not raise it again, and need not.
  if (request->set_nice && getpriority(PRIO_PROCESS, 0) < request->nice_value &&
      setpriority(PRIO_PROCESS, 0, request->nice_value) != 0)
    fail(report, CPROCESS_STAGE_LIMITS, errno);
  arrange_descriptors(request, &report);
  for (size_t i = 0; i < request->limit_count; i++)
    if (set_limit(request->limits[i].resource, request->limits[i].limit) != 0) fail(report, CPROCESS_STAGE_LIMITS, errno);
  become(request, report);
  // The kernel clears the parent death signal when the effective user changes.
  if (request->change_user) die_with_parent(request, parent, report);
  if (request->working_directory != NULL && chdir(request->working_directory) != 0)
    fail(report, CPROCESS_STAGE_WORKING_DIRECTORY, errno);
  if (request->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    fail(report, CPROCESS_STAGE_NO_NEW_PRIVILEGES, errno);
  execve(request->executable, request->arguments.items, request->environment.items);
  fail(report, CPROCESS_STAGE_EXECUTE, errno);
}

// ------------------------------------------------------------------------------------------------- in the parent

int cprocess_spawn(const cprocess_request *request, cprocess_child *child, cprocess_stage *failed_stage) {
  cprocess_stage unused;
  if (failed_stage == NULL) failed_stage = &unused;
  *failed_stage = CPROCESS_STAGE_NONE;
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) {
    *failed_stage = CPROCESS_STAGE_PREPARE;
    return errno;
  }
  // No handler of ours may run in the child before its signals are reset.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid == 0) {
    run_child(request, parent, pipe_ends[1]);
    _exit(127);
  }
  int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(pipe_ends[1]);
  if (pid < 0) {
    close(pipe_ends[0]);
    *failed_stage = CPROCESS_STAGE_FORK;
    return fork_error;
  }
  failure message;
  ssize_t got;
  do got = read(pipe_ends[0], &message, sizeof message); while (got < 0 && errno == EINTR);
  close(pipe_ends[0]);
  int error = 0;
  if (got == (ssize_t)sizeof message) {
    error = message.error;
    *failed_stage = message.stage;
  } else {
    // EOF: execve closed the pipe. The child cannot have been reaped by anybody else, so the pidfd is of this child.
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0);
    if (descriptor >= 0) {
      child->process_id = pid;
      child->process_descriptor = descriptor;
      return 0;
    }
    error = errno;
    *failed_stage = CPROCESS_STAGE_PREPARE;
    kill(pid, SIGKILL);
  }
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
  return error;
}
