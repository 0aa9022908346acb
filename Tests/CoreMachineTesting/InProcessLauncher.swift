public import CoreMachine
internal import Synchronization
public import TaskProtocol

/// Runs tasks as functions of this process: for tests of the engine that have no need of children.
public final class InProcessLauncher: TaskLauncher {
  /// Answers the task's last report; nil: it dies without one.
  public typealias Handler = @Sendable (TaskAssignment, Control) async -> TaskReport?

  /// What a handler can do besides answering.
  public struct Control: Sendable {
    public let report: @Sendable (TaskReport) -> Void
    let task: RunningFunction

    /// Returns when the task is told to stop or is killed.
    public func untilStopped() async { await task.untilStopped() }
    public var isStopped: Bool { task.isStopped }
  }

  private let handler: Handler

  public init(_ handler: @escaping Handler) { self.handler = handler }

  public func launch(
    _ assignment: TaskAssignment, onReport: @escaping @Sendable (TaskReport) -> Void
  ) async throws -> any RunningTask {
    let task = RunningFunction()
    Task { [handler] in
      let last = await handler(assignment, Control(report: onReport, task: task))
      if let last { onReport(last) }
      task.finish(TaskExit(code: last == nil ? 1 : 0))
    }
    return task
  }
}

/// A task that is a function.
final class RunningFunction: RunningTask {
  private struct State {
    var stopped = false
    var exit: TaskExit?
    var stopWaiters: [CheckedContinuation<Void, Never>] = []
    var exitWaiters: [CheckedContinuation<TaskExit, Never>] = []
  }
  private let state = Mutex(State())

  var isStopped: Bool { state.withLock { $0.stopped } }

  func untilStopped() async {
    await withCheckedContinuation { continuation in
      let stopped = state.withLock { state in
        if !state.stopped { state.stopWaiters.append(continuation) }
        return state.stopped
      }
      if stopped { continuation.resume() }
    }
  }

  func finish(_ exit: TaskExit) {
    let waiters = state.withLock { state -> [CheckedContinuation<TaskExit, Never>] in
      guard state.exit == nil else { return [] }
      state.exit = exit
      defer { state.exitWaiters = [] }
      return state.exitWaiters
    }
    for waiter in waiters { waiter.resume(returning: exit) }
  }

  func ended() async -> TaskExit {
    await withCheckedContinuation { continuation in
      let exit = state.withLock { state in
        if state.exit == nil { state.exitWaiters.append(continuation) }
        return state.exit
      }
      if let exit { continuation.resume(returning: exit) }
    }
  }

  func stop() {
    let waiters = state.withLock { state in
      state.stopped = true
      defer { state.stopWaiters = [] }
      return state.stopWaiters
    }
    for waiter in waiters { waiter.resume() }
  }

  func kill() {
    stop()
    finish(TaskExit(signal: 9))
  }
}
