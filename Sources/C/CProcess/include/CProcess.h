// Starting, limiting, signalling and reaping child processes on Linux, becoming another user, and file locks.
//
// A request is built with setters that copy what they are given, so that a caller in Swift needs to keep no pointer
// alive. Functions return 0 or a positive errno value; none of them sets errno for the caller to read.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------------------------------------------- users

#define CPROCESS_MAX_GROUPS 64

typedef struct {
  uid_t user_id;
  gid_t group_id;
  size_t group_count;
  gid_t groups[CPROCESS_MAX_GROUPS]; // supplementary groups, the primary one among them
} cprocess_user;

// Looks a user up by name. ENOENT: no such user.
int cprocess_find_user(const char *name, cprocess_user *user);

// Makes the calling process that user for good (groups, group, user, in this order), and proves that it cannot go back.
int cprocess_become_user(const cprocess_user *user);

// ------------------------------------------------------------------------------------------------- spawning

typedef struct cprocess_request cprocess_request;

// Arguments begin with the executable's path. NULL: out of memory.
cprocess_request *cprocess_request_create(const char *executable);
void cprocess_request_destroy(cprocess_request *request);

int cprocess_add_argument(cprocess_request *request, const char *argument);
// The child's environment holds what is set here and nothing else.
int cprocess_set_environment(cprocess_request *request, const char *name, const char *value);
int cprocess_set_working_directory(cprocess_request *request, const char *path);
// `source` (of this process) becomes `target` in the child. A descriptor that is not mapped is closed in the child;
// 0, 1 and 2 are opened on /dev/null when they are not mapped.
int cprocess_map_descriptor(cprocess_request *request, int source, int target);
// `resource` is one of RLIMIT_*. UINT64_MAX is "no limit".
int cprocess_limit(cprocess_request *request, int resource, uint64_t soft, uint64_t hard);

void cprocess_set_user(cprocess_request *request, const cprocess_user *user);
// The child leads a process group of its own (its number is the child's pid).
void cprocess_set_new_process_group(cprocess_request *request);
// The child leads a session of its own: it survives the terminal and this process.
void cprocess_set_new_session(cprocess_request *request);
// The signal the child gets when the THREAD that called cprocess_spawn ends: spawn from one that lives as long as the
// process. Set before anything else in the child, again after a change of user (which clears it), and the child exits
// when its parent has changed meanwhile.
void cprocess_set_parent_death_signal(cprocess_request *request, int signal);
void cprocess_set_no_new_privileges(cprocess_request *request);
void cprocess_set_oom_score_adjustment(cprocess_request *request, int adjustment);
// At least this nice: a parent's lower priority stays.
void cprocess_set_nice(cprocess_request *request, int nice);
void cprocess_set_umask(cprocess_request *request, mode_t mask);

typedef enum {
  CPROCESS_STAGE_NONE = 0,
  CPROCESS_STAGE_PREPARE,  // in the parent: memory, pipe
  CPROCESS_STAGE_FORK,
  CPROCESS_STAGE_PARENT_DEATH_SIGNAL,
  CPROCESS_STAGE_SESSION,
  CPROCESS_STAGE_LIMITS,
  CPROCESS_STAGE_DESCRIPTORS,
  CPROCESS_STAGE_USER,
  CPROCESS_STAGE_NO_NEW_PRIVILEGES,
  CPROCESS_STAGE_WORKING_DIRECTORY,
  CPROCESS_STAGE_EXECUTE,
} cprocess_stage;

// A word for the stage at which a spawn failed, such as "execute".
const char *cprocess_stage_name(cprocess_stage stage);

typedef struct {
  pid_t process_id;
  int process_descriptor; // a pidfd (close-on-exec), readable when the child has ended; the caller closes it
} cprocess_child;

// Returns 0, or the errno of the stage that failed, which is then in *failed_stage (may be NULL). When it returns 0 the
// child has passed execve.
int cprocess_spawn(const cprocess_request *request, cprocess_child *child, cprocess_stage *failed_stage);

// -------------------------------------------------------------------------------------- ending and reaping

typedef struct {
  bool ended;
  int exit_code;   // valid when signal is 0
  int signal;      // the signal that ended it, else 0
} cprocess_exit;

// Reaps a child of this process if it has ended (`wait`: waits for that). ECHILD: not a child of ours, or reaped already.
int cprocess_reap(pid_t process_id, bool wait, cprocess_exit *result);
// A pidfd for any process, ours or not. ESRCH: there is none.
int cprocess_open_descriptor(pid_t process_id, int *process_descriptor);
// Waits until the process behind a pidfd has ended. ETIMEDOUT. A negative timeout waits for ever.
int cprocess_wait_descriptor(int process_descriptor, int timeout_milliseconds);
// Signals the very process that the pidfd was opened for, even if its number has been given to another since.
int cprocess_signal_descriptor(int process_descriptor, int signal);
// Signals a whole process group. ESRCH: nobody is left in it.
int cprocess_signal_group(pid_t process_group, int signal);

// Names the calling thread for ps and debuggers (the first 15 bytes).
void cprocess_name_thread(const char *name);

// ---------------------------------------------------------------------------------------------- file locks

// Takes an exclusive flock on a file (made with mode 0600, close-on-exec) and writes this process's number into it.
// EWOULDBLOCK: held by another, whose number is then in *holder (0 if unreadable). The lock lives as long as *descriptor.
int cprocess_lock_file(const char *path, int *descriptor, pid_t *holder);

#ifdef __cplusplus
}
#endif
