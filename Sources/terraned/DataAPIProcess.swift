internal import CProcess
internal import Foundation
internal import Logging
internal import Synchronization

/// The data API: a child of ours (Python), started again when it ends, gone when we are.
///
/// It is started by a thread that lives as long as the process, as the kernel's parent-death signal follows the thread.
final class DataAPIProcess: Sendable {
  struct Configuration: Sendable {
    var python: String
    /// Folder of the package terrane_dataapi.
    var package: String
    var host: String
    var port: Int
    var publicURL: String?
    /// Folder of the served files.
    var files: String
    /// libpq's variables.
    var database: [String: String]
  }

  private let configuration: Configuration
  private let logger: Logger
  private let state = Mutex(State())

  private struct State {
    var address: String?
    /// The port of its first life: it comes back where clients know it, also when any free one was asked for.
    var port: Int?
    var waiters: [CheckedContinuation<String, any Error>] = []
    var input: Int32 = -1
    var process: pid_t = 0
    var stopping = false
    var failures = 0
    var ended = false
  }

  init(_ configuration: Configuration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
  }

  /// Starts it and waits until it answers. Returns its address, `HOST:PORT`.
  func start() async throws -> String {
    Thread.detachNewThread { [self] in run() }
    return try await withCheckedThrowingContinuation { continuation in
      let address = state.withLock { state -> String? in
        if state.address == nil { state.waiters.append(continuation) }
        return state.address
      }
      if let address { continuation.resume(returning: address) }
    }
  }

  /// The address it answers at; nil while it is being started anew.
  var address: String? { state.withLock { $0.address } }

  /// Ends it: the end of its standard input, then its process group.
  func stop() async {
    let (input, process) = state.withLock { state in
      state.stopping = true
      defer { state.input = -1 }
      return (state.input, state.process)
    }
    if input >= 0 { close(input) }
    for round in 0..<100 where !state.withLock({ $0.ended }) {
      if round == 50, process > 0 { _ = cprocess_signal_group(process, SIGKILL) }
      try? await Task.sleep(for: .milliseconds(50))
    }
  }

  private func run() {
    while !state.withLock({ $0.stopping }) {
      let began = ContinuousClock.now
      runOnce()
      let failures = state.withLock { state in
        state.address = nil
        state.failures = ContinuousClock.now - began > .seconds(30) ? 0 : state.failures + 1
        return state.failures
      }
      if state.withLock({ $0.stopping }) { break }
      if failures >= 5 { fail(StartError("the data API does not start; its own messages are above")) }
      logger.warning("data API ended", metadata: ["failures": "\(failures)"])
      usleep(UInt32(min(200_000 << min(failures, 6), 10_000_000)))
    }
    state.withLock { $0.ended = true }
    fail(StartError("the data API was stopped"))
  }

  /// One life: spawn, wait for the ready line, wait for the end.
  private func runOnce() {
    var input: [Int32] = [-1, -1]
    var output: [Int32] = [-1, -1]
    guard pipe(&input) == 0, pipe(&output) == 0, let request = cprocess_request_create(configuration.python) else {
      return
    }
    // A task's child started in between does not get them either: the spawner closes what is not mapped.
    for descriptor in input + output { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    defer {
      cprocess_request_destroy(request)
      close(output[0])
    }
    var arguments = [
      "-m", "terrane_dataapi", "--host", configuration.host, "--port",
      String(state.withLock { $0.port } ?? configuration.port),
      "--exit-with-stdin", "--files", configuration.files,
    ]
    if let url = configuration.publicURL { arguments += ["--public-url", url] }
    for argument in arguments { cprocess_add_argument(request, argument) }
    let environment = [
      "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": configuration.package, "PYTHONDONTWRITEBYTECODE": "1",
      "PYTHONUNBUFFERED": "1",
    ].merging(configuration.database) { $1 }
    for (name, value) in environment { cprocess_set_environment(request, name, value) }
    cprocess_map_descriptor(request, input[0], 0)
    cprocess_map_descriptor(request, output[1], 1)
    cprocess_map_descriptor(request, STDERR_FILENO, 2)
    cprocess_set_working_directory(request, "/")
    cprocess_set_new_process_group(request)
    cprocess_set_parent_death_signal(request, SIGKILL)
    cprocess_set_no_new_privileges(request)
    var child = cprocess_child()
    var stage = CPROCESS_STAGE_NONE
    let error = cprocess_spawn(request, &child, &stage)
    close(input[0])
    close(output[1])
    guard error == 0 else {
      close(input[1])
      logger.error(
        "data API cannot be started",
        metadata: [
          "program": "\(configuration.python)", "stage": "\(String(cString: cprocess_stage_name(stage)))",
          "error": "\(String(cString: strerror(error)))",
        ])
      return
    }
    let stopNow = state.withLock { state in
      state.input = input[1]
      state.process = child.process_id
      return state.stopping
    }
    if stopNow { _ = cprocess_signal_group(child.process_id, SIGTERM) }
    readLines(from: output[0])
    var end = cprocess_exit()
    cprocess_reap(child.process_id, true, &end)
    _ = cprocess_signal_group(child.process_id, SIGKILL)
    close(child.process_descriptor)
    let open = state.withLock { state in
      defer { state.input = -1 }
      return state.input
    }
    if open >= 0 { close(open) }
  }

  /// The ready line, then whatever else comes, to the end.
  private func readLines(from descriptor: Int32) {
    var pending: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4_096)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      pending.append(contentsOf: buffer[..<count])
      while let end = pending.firstIndex(of: 0x0A) {
        take(line: Array(pending[..<end]))
        pending.removeSubrange(...end)
      }
      if pending.count > 65_536 { pending = [] }
    }
  }

  private func take(line: [UInt8]) {
    struct Ready: Decodable { var listening: String }
    guard let ready = try? JSONDecoder().decode(Ready.self, from: Data(line)) else { return }
    let waiters = state.withLock { state in
      state.address = ready.listening
      state.port = ready.listening.split(separator: ":").last.flatMap { Int($0) } ?? state.port
      state.failures = 0
      defer { state.waiters = [] }
      return state.waiters
    }
    logger.info("data API ready", metadata: ["address": "\(ready.listening)"])
    for waiter in waiters { waiter.resume(returning: ready.listening) }
  }

  private func fail(_ error: StartError) {
    let waiters = state.withLock { state in
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume(throwing: error) }
  }
}

/// Why the server did not start, in words for whoever started it.
struct StartError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
