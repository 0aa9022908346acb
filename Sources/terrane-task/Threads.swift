import DatasetTasks
import Glibc
import TaskProtocol

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Starts a detached thread. Without one the process could not be told to stop, so failure ends it.
func startThread(_ run: @escaping @Sendable () -> Void) {
  var thread = pthread_t()
  let body = Unmanaged.passRetained(ThreadBody(run))
  let started = pthread_create(
    &thread, nil,
    { state in
      if let state { Unmanaged<ThreadBody>.fromOpaque(state).takeRetainedValue().run() }
      return nil
    }, body.toOpaque())
  guard started == 0 else { exitProcess(ExitCode.failed) }
  pthread_detach(thread)
}

/// Reads what the supervisor says while the work runs. The end of its pipe ends the process at once: a child whose
/// supervisor is gone must not go on writing.
struct CommandReader: Sendable {
  let lines: LineAssembler
  let reporter: TaskReporter

  func start() {
    startThread {
      var lines = lines
      while let bytes = TaskProgram.readInput(), let complete = try? lines.append(bytes) {
        for line in complete { TaskProgram.obey(line, reporter) }
      }
      exitProcess(ExitCode.cancelled)
    }
  }
}

/// Heartbeats for library calls that read a whole file before they return (opening a GeoJSON file): sent only while the
/// working thread's own count of read bytes grows. A thread that hangs, or loops without reading, stays silent.
struct ReadWatch: Sendable {
  let reporter: TaskReporter

  func start() {
    guard let worker = Self.ownThread else { return }
    startThread {
      var before = Self.bytesRead(worker)
      while true {
        usleep(500_000)
        let now = Self.bytesRead(worker)
        if now > before { reporter.aliveFromWatch() }
        before = now
      }
    }
  }

  /// The calling thread below /proc, for instance `17/task/18`.
  private static var ownThread: String? {
    var buffer = [UInt8](repeating: 0, count: 64)
    let count = buffer.withUnsafeMutableBytes { readlink("/proc/thread-self", $0.baseAddress!, 64) }
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }

  /// `rchar` of the thread's io statistics, 0 where the system does not tell.
  private static func bytesRead(_ thread: String) -> Int64 {
    let descriptor = open("/proc/\(thread)/io", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return 0 }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 512)
    let count = read(descriptor, &buffer, buffer.count)
    guard count > 0 else { return 0 }
    let line = String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").first ?? ""
    return line.hasPrefix("rchar: ") ? Int64(line.dropFirst(7)) ?? 0 : 0
  }
}

/// Limits a child sets itself where the supervisor has not.
enum ResourceLimits {
  static func apply(memory: Int64?) {
    lower(RLIMIT_CORE, to: 0)
    if let memory, memory > 0 { lower(RLIMIT_AS, to: rlim_t(memory)) }
  }

  private static func lower(_ kind: __rlimit_resource, to limit: rlim_t) {
    let resource = __rlimit_resource_t(kind.rawValue)
    var now = rlimit()
    guard getrlimit(resource, &now) == 0, now.rlim_cur > limit else { return }
    var wanted = rlimit(rlim_cur: limit, rlim_max: min(limit, now.rlim_max))
    _ = setrlimit(resource, &wanted)
  }
}
