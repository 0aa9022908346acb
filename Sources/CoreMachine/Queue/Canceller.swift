internal import Logging
internal import PostgreSQL

/// Stops the tasks of operations being cancelled and of stages in which a task failed for good: children of this engine
/// are told to stop; tasks that do not run end here.
struct Canceller: Sendable {
  let engine: PGUUID
  let settings: CoreMachineSettings
  let attempts: RunningAttempts
  let completions: CompletionLanes
  let connection: ConnectionPool
  let bell: Bell
  let logger: Logger

  /// Until cancelled.
  func run() async {
    while !Task.isCancelled {
      do { try await sweep() } catch {
        if !Task.isCancelled { logger.warning("cancelled tasks were not looked for", metadata: ["error": "\(error)"]) }
      }
      await bell.wait(upTo: settings.poll.jittered)
    }
  }

  static let toStop = """
    SELECT x.task_id, x.attempt, x.state, x.engine, \(TaskPlace.columns) FROM coremachine.tasks_to_stop($1) x
    JOIN coremachine.tasks t ON t.task_id = x.task_id \(TaskPlace.joins) ORDER BY x.task_id
    """

  func sweep() async throws {
    let rows = try await connection.query(Self.toStop, [.int64(1000)])
    var idle: [TaskCompletion] = []
    for row in rows {
      let task = try row.int64("task_id"), attempt = try row.int32("attempt")
      let state = TaskState(rawValue: try row.text("state")) ?? .running
      if state != .running {
        idle.append(
          TaskCompletion(task: task, attempt: attempt, outcome: .cancelled, place: try TaskPlace(row), from: state))
      } else if try row.optionalUUID("engine") == engine, let running = attempts[task], running.task.attempt == attempt
      {
        running.end(.stopped)
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for completion in idle {
        group.addTask { _ = try await completions.submit(completion, publishes: false) }
      }
      try await group.waitForAll()
    }
  }
}
