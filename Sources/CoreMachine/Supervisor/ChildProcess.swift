internal import CProcess
internal import Glibc
internal import Logging
internal import Synchronization
internal import TaskProtocol

/// One child, seen from the supervisor's thread. Everything it sends is hostile: lines are limited, what breaks the
/// protocol kills it.
///
/// `@unchecked Sendable`: the mutable members are touched on the supervisor's thread only (every handler and every
/// `perform` runs there); `outcome` is behind its own lock.
final class ChildProcess: RunningTask, @unchecked Sendable {
  private let thread: PollThread
  private let process: cprocess_child
  private let logger: Logger
  private let onReport: @Sendable (TaskReport) -> Void

  private var input: Int32
  private var reports: Int32
  private var log: Int32
  private var unsent: [UInt8]
  private var sent = 0
  private var lines = LineAssembler()
  private var logLine: [UInt8] = []
  private var loggedBytes = 0
  private var violation: String?
  private var reaped = false

  private struct Outcome {
    var exit: TaskExit?
    var waiters: [CheckedContinuation<TaskExit, Never>] = []
  }
  private let outcome = Mutex(Outcome())

  /// Longest log line that is kept, and most log bytes a child may write before the rest is dropped.
  private static let logLineLimit = 8 * 1024
  private static let logLimit = 4 << 20

  /// On the supervisor's thread.
  init(
    _ process: cprocess_child, on thread: PollThread, input: Int32, reports: Int32, log: Int32, first: [UInt8],
    logger: Logger, onReport: @escaping @Sendable (TaskReport) -> Void
  ) {
    self.process = process
    self.thread = thread
    self.input = input
    self.reports = reports
    self.log = log
    self.unsent = first
    self.logger = logger
    self.onReport = onReport
    for descriptor in [input, reports, log] { _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) }
    thread.watch(reports, events: Int16(POLLIN)) { [self] _ in readReports() }
    thread.watch(log, events: Int16(POLLIN)) { [self] _ in readLog() }
    thread.watch(process.process_descriptor, events: Int16(POLLIN)) { [self] _ in reap() }
    send()
  }

  // MARK: RunningTask

  func ended() async -> TaskExit {
    await withCheckedContinuation { continuation in
      let exit = outcome.withLock { outcome -> TaskExit? in
        if outcome.exit == nil { outcome.waiters.append(continuation) }
        return outcome.exit
      }
      if let exit { continuation.resume(returning: exit) }
    }
  }

  func stop() {
    thread.perform { [self] in
      guard !reaped, let line = try? SupervisorCommand.cancel.line() else { return }
      unsent += line
      send()
    }
  }

  func kill() { thread.perform { [self] in killGroup() } }

  // MARK: On the supervisor's thread

  private func killGroup() {
    // Not after it was reaped: its number may belong to another by then.
    if !reaped { _ = cprocess_signal_group(process.process_id, SIGKILL) }
  }

  private func violated(_ what: String) {
    if violation == nil { violation = what }
    closeDescriptor(&reports)
    killGroup()
  }

  private func send() {
    while input >= 0, sent < unsent.count {
      let written = unsent.withUnsafeBytes { write(input, $0.baseAddress.unsafelyUnwrapped + sent, $0.count - sent) }
      if written > 0 {
        sent += written
      } else if written < 0, errno == EAGAIN {
        thread.watch(input, events: Int16(POLLOUT)) { [self] _ in send() }
        return
      } else if written < 0, errno == EINTR {
        continue
      } else {
        // The child closed its end: its exit says why. The rest is of no use.
        closeDescriptor(&input)
        return
      }
    }
    if input >= 0 {
      unsent = []
      sent = 0
      thread.unwatch(input)
    }
  }

  private enum Chunk {
    case bytes([UInt8])
    case nothing
    case end
  }

  private func readSome(_ descriptor: Int32) -> Chunk {
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count > 0 { return .bytes(Array(buffer[..<count])) }
      if count == 0 { return .end }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .nothing : .end
    }
  }

  /// Up to `turns` buffers, so that one child cannot keep the thread.
  private func readReports(turns: Int = 2) {
    for _ in 0..<turns {
      guard reports >= 0 else { return }
      switch readSome(reports) {
      case .nothing: return
      case .end: return closeDescriptor(&reports)
      case .bytes(let bytes): take(bytes)
      }
    }
  }

  private func take(_ bytes: [UInt8]) {
    let complete: [[UInt8]]
    do { complete = try lines.append(bytes) } catch {
      return violated("it sent a line over \(TaskProtocolLimits.reportLine) bytes")
    }
    for line in complete where violation == nil {
      do { onReport(try TaskReport(line: line)) } catch { violated("it sent a line that is no report: \(error)") }
    }
  }

  private func readLog(turns: Int = 1) {
    for _ in 0..<turns {
      guard log >= 0 else { return }
      switch readSome(log) {
      case .nothing: return
      case .end: return closeDescriptor(&log)
      case .bytes(let bytes):
        for byte in bytes {
          if byte == 0x0A {
            flushLog()
          } else if logLine.count < Self.logLineLimit {
            logLine.append(byte)
          }
        }
      }
    }
  }

  private func flushLog() {
    defer { logLine.removeAll(keepingCapacity: true) }
    guard !logLine.isEmpty, loggedBytes < Self.logLimit else { return }
    loggedBytes += logLine.count
    logger.info("task output", metadata: ["line": "\(String(decoding: logLine, as: UTF8.self))"])
    if loggedBytes >= Self.logLimit { logger.warning("a task wrote more than is kept; the rest is dropped") }
  }

  private func closeDescriptor(_ descriptor: inout Int32) {
    guard descriptor >= 0 else { return }
    thread.unwatch(descriptor)
    close(descriptor)
    descriptor = -1
  }

  private func reap() {
    guard !reaped else { return }
    // The leader is a zombie still, so the group's number is its own: what it started ends with it.
    killGroup()
    var result = cprocess_exit()
    guard cprocess_reap(process.process_id, false, &result) == 0, result.ended else { return }
    reaped = true
    // What it wrote before it ended: a pipe holds 64 KiB, 1 MiB at most.
    readReports(turns: 20)
    readLog(turns: 20)
    flushLog()
    closeDescriptor(&reports)
    closeDescriptor(&log)
    closeDescriptor(&input)
    thread.unwatch(process.process_descriptor)
    close(process.process_descriptor)
    let exit = TaskExit(code: result.exit_code, signal: result.signal, violation: violation)
    let waiters = outcome.withLock { outcome in
      outcome.exit = exit
      defer { outcome.waiters = [] }
      return outcome.waiters
    }
    for waiter in waiters { waiter.resume(returning: exit) }
  }
}
