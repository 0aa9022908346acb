internal import CProcess
internal import Glibc
public import Logging
internal import Synchronization
public import TaskProtocol

/// Runs each task in a child process: own process group, dead when this process dies, limited, without new privileges.
public final class ProcessLauncher: TaskLauncher {
  /// What children are started with.
  public struct Configuration: Sendable {
    /// Absolute path of `terrane-task`.
    public var executable: String
    public var arguments: [String] = []
    /// The whole environment of a child; TMPDIR is set to its scratch directory.
    public var environment: [String: String] = ["PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"]
    /// Size in bytes of a file a child may write; nil: no limit.
    public var fileSizeLimit: UInt64?
    /// Descriptors a child may have open.
    public var descriptorLimit: UInt64 = 1024
    public var oomScoreAdjustment: Int32 = 900
    public var nice: Int32 = 5

    public init(executable: String) { self.executable = executable }
  }

  /// A child could not be started.
  public struct SpawnFailure: Error, CustomStringConvertible {
    public var stage: String
    /// An errno value.
    public var code: Int32
    public var description: String {
      "a task process could not be started (\(stage): \(String(cString: strerror(code))))"
    }
  }

  private let configuration: Configuration
  private let logger: Logger
  private let thread: PollThread

  public init(_ configuration: Configuration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
    thread = PollThread()
  }

  public func launch(
    _ assignment: TaskAssignment, onReport: @escaping @Sendable (TaskReport) -> Void
  ) async throws -> any RunningTask {
    let line = try assignment.line()
    var childLogger = logger
    childLogger[metadataKey: "task"] = "\(assignment.taskID)/\(assignment.attempt)"
    childLogger[metadataKey: "job"] = "\(assignment.jobType)"
    let logger = childLogger
    return try await withCheckedThrowingContinuation { continuation in
      thread.perform { [self] in
        do {
          let child = try start(assignment, line: line, logger: logger, onReport: onReport)
          continuation.resume(returning: child)
        } catch {
          continuation.resume(throwing: error)
        }
      }
    }
  }

  /// On the supervisor's thread.
  private func start(
    _ assignment: TaskAssignment, line: [UInt8], logger: Logger, onReport: @escaping @Sendable (TaskReport) -> Void
  ) throws -> ChildProcess {
    let input = try Pipe(), reports = try Pipe(), log = try Pipe()
    guard let request = cprocess_request_create(configuration.executable) else {
      throw SpawnFailure(stage: "prepare", code: ENOMEM)
    }
    defer { cprocess_request_destroy(request) }
    var environment = configuration.environment
    environment["TMPDIR"] = assignment.scratchDirectory
    var error: Int32 = 0
    for argument in configuration.arguments { error = max(error, cprocess_add_argument(request, argument)) }
    for (name, value) in environment { error = max(error, cprocess_set_environment(request, name, value)) }
    error = max(error, cprocess_set_working_directory(request, assignment.scratchDirectory))
    error = max(error, cprocess_map_descriptor(request, input.readEnd, 0))
    error = max(error, cprocess_map_descriptor(request, log.writeEnd, 1))
    error = max(error, cprocess_map_descriptor(request, log.writeEnd, 2))
    error = max(error, cprocess_map_descriptor(request, reports.writeEnd, 3))
    error = max(error, limit(request, RLIMIT_CORE, 0))
    error = max(error, limit(request, RLIMIT_NOFILE, configuration.descriptorLimit))
    if let size = configuration.fileSizeLimit { error = max(error, limit(request, RLIMIT_FSIZE, size)) }
    if let memory = assignment.memoryLimitBytes { error = max(error, limit(request, RLIMIT_AS, UInt64(memory))) }
    guard error == 0 else { throw SpawnFailure(stage: "prepare", code: error) }
    cprocess_set_new_process_group(request)
    cprocess_set_parent_death_signal(request, SIGKILL)
    cprocess_set_no_new_privileges(request)
    cprocess_set_oom_score_adjustment(request, configuration.oomScoreAdjustment)
    cprocess_set_nice(request, configuration.nice)
    cprocess_set_umask(request, 0o077)
    var child = cprocess_child()
    var stage = CPROCESS_STAGE_NONE
    error = cprocess_spawn(request, &child, &stage)
    guard error == 0 else { throw SpawnFailure(stage: String(cString: cprocess_stage_name(stage)), code: error) }
    return ChildProcess(
      child, on: thread, input: input.takeWriteEnd(), reports: reports.takeReadEnd(), log: log.takeReadEnd(),
      first: line,
      logger: logger, onReport: onReport)
  }

  private func limit(_ request: OpaquePointer, _ resource: __rlimit_resource, _ value: UInt64) -> Int32 {
    cprocess_limit(request, Int32(resource.rawValue), value, value)
  }
}

/// A pipe whose ends close with it unless they are taken.
private final class Pipe {
  private(set) var readEnd: Int32
  private(set) var writeEnd: Int32

  init() throws {
    var ends: [Int32] = [-1, -1]
    guard closeOnExecPipe(&ends) else { throw ProcessLauncher.SpawnFailure(stage: "pipe", code: errno) }
    readEnd = ends[0]
    writeEnd = ends[1]
  }
  deinit {
    if readEnd >= 0 { close(readEnd) }
    if writeEnd >= 0 { close(writeEnd) }
  }
  func takeReadEnd() -> Int32 {
    defer { readEnd = -1 }
    return readEnd
  }
  func takeWriteEnd() -> Int32 {
    defer { writeEnd = -1 }
    return writeEnd
  }
}
