import CProcess
import Foundation
import Testing

@Suite(.timeLimit(.minutes(1))) struct ProcessTests {
  private struct Outcome {
    var output: String
    var exit: cprocess_exit
  }

  /// Runs a shell script to its end, its descriptor 3 a pipe to us.
  private func run(_ script: String, _ adjust: (OpaquePointer) -> Void = { _ in }) throws -> Outcome {
    let request = try #require(cprocess_request_create("/bin/sh"))
    defer { cprocess_request_destroy(request) }
    cprocess_add_argument(request, "-c")
    cprocess_add_argument(request, script)
    let pipe = Pipe()
    #expect(cprocess_map_descriptor(request, pipe.fileHandleForWriting.fileDescriptor, 3) == 0)
    adjust(request)
    var child = cprocess_child()
    var stage = CPROCESS_STAGE_NONE
    try #require(cprocess_spawn(request, &child, &stage) == 0, "\(String(cString: cprocess_stage_name(stage)))")
    defer { close(child.process_descriptor) }
    try pipe.fileHandleForWriting.close()
    let output = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    #expect(cprocess_wait_descriptor(child.process_descriptor, 10_000) == 0)
    var exit = cprocess_exit()
    #expect(cprocess_reap(child.process_id, true, &exit) == 0)
    return Outcome(output: output.trimmingCharacters(in: .whitespacesAndNewlines), exit: exit)
  }

  @Test func `A child gets its arguments, environment, directory and descriptors, and nothing else`() throws {
    let outcome = try run("echo $ANSWER:$HOME:$PWD:$(ls /proc/self/fd | tr '\\n' ' ') >&3; exit 7") { request in
      cprocess_set_environment(request, "ANSWER", "41")
      cprocess_set_environment(request, "ANSWER", "42")
      cprocess_set_environment(request, "PATH", "/bin:/usr/bin")
      cprocess_set_working_directory(request, "/usr")
    }
    // 3 is ours, and ls opens /proc/self/fd as the next free one (its output goes through 1).
    #expect(outcome.output == "42::/usr:0 1 2 3 4")
    #expect(outcome.exit.exit_code == 7)
    #expect(outcome.exit.signal == 0)
  }

  @Test func `Limits, niceness and no_new_privs hold in the child`() throws {
    let outcome = try run(
      "ulimit -n >&3; nice >&3; grep NoNewPrivs /proc/self/status >&3; cat /proc/self/oom_score_adj >&3"
    ) {
      cprocess_set_environment($0, "PATH", "/bin:/usr/bin")
      cprocess_limit($0, Int32(RLIMIT_NOFILE.rawValue), 100, 100)
      cprocess_set_nice($0, 5)
      cprocess_set_no_new_privileges($0)
      cprocess_set_oom_score_adjustment($0, 900)
    }
    #expect(outcome.output.split(separator: "\n") == ["100", "5", "NoNewPrivs:\t1", "900"])
  }

  @Test func `A program that is not there is reported, with the stage`() throws {
    let request = try #require(cprocess_request_create("/nonexistent/program"))
    defer { cprocess_request_destroy(request) }
    var child = cprocess_child()
    var stage = CPROCESS_STAGE_NONE
    #expect(cprocess_spawn(request, &child, &stage) == ENOENT)
    #expect(stage == CPROCESS_STAGE_EXECUTE)
  }

  @Test func `A whole process group is killed, and its signal told`() throws {
    let request = try #require(cprocess_request_create("/bin/sh"))
    defer { cprocess_request_destroy(request) }
    for argument in ["-c", "sleep 1000 & wait"] { cprocess_add_argument(request, argument) }
    cprocess_set_environment(request, "PATH", "/bin:/usr/bin")
    cprocess_set_new_process_group(request)
    var child = cprocess_child()
    #expect(cprocess_spawn(request, &child, nil) == 0)
    defer { close(child.process_descriptor) }
    #expect(cprocess_wait_descriptor(child.process_descriptor, 0) == ETIMEDOUT)
    #expect(cprocess_signal_group(child.process_id, SIGKILL) == 0)
    var exit = cprocess_exit()
    #expect(cprocess_reap(child.process_id, true, &exit) == 0)
    #expect(exit.signal == SIGKILL)
    #expect(cprocess_signal_group(1, SIGKILL) == EINVAL)
    #expect(cprocess_signal_group(0, SIGKILL) == EINVAL)
  }

  @Test(.enabled(if: geteuid() == 0)) func `Root's child becomes the user it is told to`() throws {
    var user = cprocess_user()
    #expect(cprocess_find_user("nobody", &user) == 0)
    let outcome = try run("id -u >&3; id -G >&3") { request in
      cprocess_set_environment(request, "PATH", "/bin:/usr/bin")
      cprocess_set_user(request, &user)
      cprocess_set_parent_death_signal(request, SIGKILL)
    }
    #expect(outcome.output == "\(user.user_id)\n\(user.group_id)")
    #expect(cprocess_find_user("no-such-user-here", &user) == ENOENT)
  }

  @Test func `A child with a parent death signal dies with its parent`() async throws {
    let path = NSTemporaryDirectory() + "terrane-pid-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    defer { unlink(path) }
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let request = try #require(cprocess_request_create("/bin/sleep"))
      cprocess_add_argument(request, "1000")
      cprocess_set_parent_death_signal(request, SIGKILL)
      cprocess_set_new_session(request)
      var child = cprocess_child()
      #expect(cprocess_spawn(request, &child, nil) == 0)
      try Data("\(child.process_id)".utf8).write(to: URL(fileURLWithPath: path))
      kill(getpid(), SIGKILL)
    }
    let child = try #require(pid_t(String(contentsOfFile: path, encoding: .utf8)))
    try await eventually("the child lived on") {
      // Gone, or a zombie that nobody has reaped.
      guard let status = try? String(contentsOfFile: "/proc/\(child)/status", encoding: .utf8) else { return true }
      return status.contains("State:\tZ")
    }
  }

  @Test func `A second holder of a lock is told who has it`() throws {
    let path = NSTemporaryDirectory() + "terrane-lock-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    defer { unlink(path) }
    var first: Int32 = -1
    var second: Int32 = -1
    var holder: pid_t = 0
    #expect(cprocess_lock_file(path, &first, &holder) == 0)
    #expect(cprocess_lock_file(path, &second, &holder) == EWOULDBLOCK)
    #expect(holder == getpid())
    close(first)
    #expect(cprocess_lock_file(path, &second, &holder) == 0)
    close(second)
  }
}
