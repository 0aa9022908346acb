public import TaskProtocol

/// Starts children. The product's is `ProcessLauncher`; another may run tasks elsewhere.
public protocol TaskLauncher: Sendable {
  /// Starts a child and hands it its task.
  ///
  /// - Parameter onReport: Called for each report in order, from any thread, never after `ended()` has returned.
  /// - Throws: When nothing was started.
  func launch(
    _ assignment: TaskAssignment, onReport: @escaping @Sendable (TaskReport) -> Void
  ) async throws -> any RunningTask
}

/// A child at work.
public protocol RunningTask: Sendable {
  /// Returns when the child is dead, its whole process group with it, and all it reported has been delivered.
  func ended() async -> TaskExit
  /// Asks it to stop.
  func stop()
  /// Ends it and every process it started.
  func kill()
}

/// How a child ended.
public struct TaskExit: Sendable, Equatable {
  /// 0 unless it ended by itself with another.
  public var code: Int32
  /// The signal that ended it, else 0.
  public var signal: Int32
  /// What it did that the protocol forbids: it was killed for that.
  public var violation: String?

  public init(code: Int32 = 0, signal: Int32 = 0, violation: String? = nil) {
    self.code = code
    self.signal = signal
    self.violation = violation
  }
}
