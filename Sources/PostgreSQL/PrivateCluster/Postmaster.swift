import CProcess
import Glibc

/// The file postmaster.pid of a running (or dead) server.
struct PostmasterFile: Sendable, Equatable {
  var processID: pid_t
  var dataDirectory: String
  var port: UInt16
  var socketDirectory: String
  /// "starting", "stopping", "ready" or "standby"; empty while the server has not said.
  var status: String

  /// nil: there is none, or it is being written.
  static func read(dataDirectory: String) -> PostmasterFile? {
    guard let text = try? PosixFile.text("\(dataDirectory)/postmaster.pid") else { return nil }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).trimmed }
    // pidfile.h: pid, data directory, start time, port, socket directory, listen address, shared memory, status.
    guard lines.count >= 5, let processID = pid_t(lines[0]), processID > 1, let port = UInt16(lines[3]) else {
      return nil
    }
    return PostmasterFile(
      processID: processID, dataDirectory: lines[1], port: port, socketDirectory: lines[4],
      status: lines.count >= 8 ? lines[7] : "")
  }

  /// Whether the process of that number is a server that runs in this data directory: numbers are given out again.
  var isAlive: Bool {
    guard let here = PosixFile.resolved(dataDirectory) else { return false }
    return PosixFile.target(ofLink: "/proc/\(processID)/cwd") == here
  }
}

/// Runs the cluster's programs as its user, in an environment of their own.
struct ClusterProgram {
  var path: String
  var arguments: [String]
  var user: cprocess_user
  var output: Int32
  var workingDirectory: String
  var diesWithParent = false

  /// Starts the program in a session of its own, so that it survives us, our terminal and our process group.
  func spawn() throws(PrivateClusterError) -> cprocess_child {
    guard let request = cprocess_request_create(path) else { throw failure("prepare", ENOMEM) }
    defer { cprocess_request_destroy(request) }
    var error: Int32 = 0
    for argument in arguments where error == 0 { error = cprocess_add_argument(request, argument) }
    let environment = [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("HOME", workingDirectory)]
    for (name, value) in environment where error == 0 { error = cprocess_set_environment(request, name, value) }
    if error == 0 { error = cprocess_set_working_directory(request, workingDirectory) }
    if error == 0 { error = cprocess_map_descriptor(request, output, 1) }
    if error == 0 { error = cprocess_map_descriptor(request, output, 2) }
    guard error == 0 else { throw failure("prepare", error) }
    if geteuid() == 0 { withUnsafePointer(to: user) { cprocess_set_user(request, $0) } }
    cprocess_set_new_session(request)
    cprocess_set_umask(request, 0o077)
    // A fast shutdown, if anything.
    if diesWithParent { cprocess_set_parent_death_signal(request, SIGINT) }
    var child = cprocess_child()
    var stage = CPROCESS_STAGE_NONE
    error = cprocess_spawn(request, &child, &stage)
    guard error == 0 else { throw failure(String(cString: cprocess_stage_name(stage)), error) }
    return child
  }

  /// Runs the program to its end and returns its exit code, or 128 and its signal.
  func run() throws(PrivateClusterError) -> Int32 {
    let child = try spawn()
    defer { close(child.process_descriptor) }
    var result = cprocess_exit()
    let error = cprocess_reap(child.process_id, true, &result)
    guard error == 0 else { throw failure("wait", error) }
    return result.signal == 0 ? result.exit_code : 128 + result.signal
  }

  private func failure(_ stage: String, _ error: Int32) -> PrivateClusterError {
    .cannotRun(program: path, stage: stage, error: systemError(error))
  }
}
