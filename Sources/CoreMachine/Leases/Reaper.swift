internal import Logging
internal import PostgreSQL

/// Gives tasks whose lease ran out, by the database's clock, to others. Judges only after a whole healthy lease of its own:
/// after an outage every engine gets the time to renew first.
struct Reaper: Sendable {
  let settings: CoreMachineSettings
  let completions: CompletionLanes
  let connection: ConnectionPool
  let health: DatabaseHealth
  let logger: Logger

  static let expired = """
    SELECT l.task_id, l.attempt, \(TaskPlace.columns) FROM coremachine.leases l
    JOIN coremachine.tasks t ON t.task_id = l.task_id \(TaskPlace.joins)
    WHERE l.expires_at < clock_timestamp() ORDER BY l.task_id LIMIT 256
    """

  func reap() async throws {
    guard health.healthy(for: settings.lease) else { return }
    try await end(try await connection.query(Self.expired))
  }

  /// At start: the children of an engine that ran under this host's name died with it, and its duties are nobody's.
  func reapPredecessor(host: String, engine: PGUUID) async throws {
    let orphaned = try await connection.query(
      """
      WITH mine AS (
        UPDATE coremachine.leases l SET expires_at = '-infinity' FROM coremachine.engines e
        WHERE e.engine = l.engine AND e.host = $1 AND e.engine <> $2
        RETURNING l.task_id, l.attempt)
      SELECT l.task_id, l.attempt, \(TaskPlace.columns) FROM mine l
      JOIN coremachine.tasks t ON t.task_id = l.task_id \(TaskPlace.joins) ORDER BY l.task_id
      """, [.text(host), .uuid(engine)])
    try await connection.query(
      """
      UPDATE coremachine.duties d SET engine = NULL, leased_until = NULL FROM coremachine.engines e
      WHERE e.engine = d.engine AND e.host = $1 AND e.engine <> $2
      """, [.text(host), .uuid(engine)])
    try await end(orphaned)
  }

  private func end(_ rows: PGResult) async throws {
    let lost = try rows.map {
      TaskCompletion(
        task: try $0.int64("task_id"), attempt: try $0.int32("attempt"), outcome: .lost, place: try TaskPlace($0))
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for lease in lost {
        group.addTask { _ = try await completions.submit(lease, publishes: false) }
      }
      try await group.waitForAll()
    }
  }
}
