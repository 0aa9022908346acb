internal import Glibc
internal import Synchronization
public import TaskProtocol

/// The supervisor asked the task to stop.
public struct TaskCancelled: Error {}

/// Sends a task's reports, not more often than anybody can use them, and notices that the task shall stop.
///
/// Safe for several threads: the work, the command reader and the watch over long reads all use it; everything mutable is
/// behind one mutex.
public final class TaskReporter: Sendable {
  private struct State {
    var lastProgress: TaskProgress?
    var progressAt: Int64 = 0
    var lineAt: Int64 = 0
    var warnings: [String: TaskWarning] = [:]
    var warningsAt: Int64 = 0
    var unsentWarnings: Set<String> = []
  }

  private let send: @Sendable (TaskReport) -> Void
  private let state = Mutex(State())
  private let cancelled = Atomic<Bool>(false)

  /// At most five progress lines a second.
  private static let progressInterval: Int64 = 200
  private static let heartbeatInterval: Int64 = 1_000
  private static let warningInterval: Int64 = 1_000

  /// - Parameter send: writes one report; called under the mutex, so lines never mix.
  public init(send: @escaping @Sendable (TaskReport) -> Void) { self.send = send }

  /// Makes the next check throw.
  public func cancel() { cancelled.store(true, ordering: .relaxed) }

  public var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

  func checkCancelled() throws(TaskCancelled) {
    if isCancelled { throw TaskCancelled() }
  }

  /// Monotonic milliseconds.
  static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
  }

  /// Progress from inside the work. Sent if the last is old enough or the phase is new; a heartbeat where nothing moved.
  func progress(
    _ phase: String, unit: String, done: Int64, total: Int64?, message: @autoclosure () -> String
  ) throws(TaskCancelled) {
    try checkCancelled()
    state.withLock { state in
      let now = Self.now()
      let isNewPhase = state.lastProgress?.phase != phase
      guard isNewPhase || now - state.progressAt >= Self.progressInterval else { return }
      if !isNewPhase, state.lastProgress?.done == done {
        heartbeat(&state, now)
        return
      }
      let progress = TaskProgress(phase: phase, unit: unit, done: done, total: total, message: message())
      state.lastProgress = progress
      state.progressAt = now
      state.lineAt = now
      send(.progress(progress))
    }
  }

  /// The work advances without a figure to show.
  func alive() throws(TaskCancelled) {
    try checkCancelled()
    state.withLock { heartbeat(&$0, Self.now()) }
  }

  /// For the watch over long reads: like `alive`, never throws.
  public func aliveFromWatch() { state.withLock { heartbeat(&$0, Self.now()) } }

  private func heartbeat(_ state: inout State, _ now: Int64) {
    guard now - state.lineAt >= Self.heartbeatInterval else { return }
    state.lineAt = now
    send(.heartbeat)
  }

  /// Takes warnings as they are now; sent at most once a second.
  func warn(_ warnings: [TaskWarning]) {
    state.withLock { state in
      for warning in warnings where state.warnings[warning.reason] != warning {
        state.warnings[warning.reason] = warning
        state.unsentWarnings.insert(warning.reason)
      }
      let now = Self.now()
      if now - state.warningsAt >= Self.warningInterval { flush(&state, now) }
    }
  }

  /// Sends what is left, with all examples. Call before the last report.
  func flushWarnings() {
    state.withLock { state in
      state.unsentWarnings.formUnion(
        state.warnings.values.filter { $0.examples.count > TaskWarning.examplesInLine }.map(\.reason))
      flush(&state, Self.now(), whole: true)
    }
  }

  /// While work goes on a reason's first line of examples is enough: what is written of them is written anew each time.
  private func flush(_ state: inout State, _ now: Int64, whole: Bool = false) {
    for reason in state.unsentWarnings.sorted() {
      guard let lines = state.warnings[reason]?.lines else { continue }
      for line in whole ? lines[...] : lines.prefix(1) { send(.warning(line)) }
    }
    state.unsentWarnings = []
    state.warningsAt = now
    state.lineAt = now
  }
}
