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

  func reap() async throws {
    guard health.healthy(for: settings.lease) else { return }
    let expired = try await connection.query(
      "SELECT task_id, attempt FROM coremachine.leases WHERE expires_at < clock_timestamp() ORDER BY task_id LIMIT 256")
    try await end(expired)
  }

  /// At start: the children of an engine that ran under this host's name died with it, and its duties are nobody's.
  func reapPredecessor(host: String, engine: PGUUID) async throws {
    let orphaned = try await connection.query(
      """
      WITH mine AS (
        UPDATE coremachine.leases l SET expires_at = '-infinity' FROM coremachine.engines e
        WHERE e.engine = l.engine AND e.host = $1 AND e.engine <> $2
        RETURNING l.task_id, l.attempt)
      SELECT task_id, attempt FROM mine ORDER BY task_id
      """, [.text(host), .uuid(engine)])
    try await connection.query(
      """
      UPDATE coremachine.duties d SET engine = NULL, leased_until = NULL FROM coremachine.engines e
      WHERE e.engine = d.engine AND e.host = $1 AND e.engine <> $2
      """, [.text(host), .uuid(engine)])
    try await end(orphaned)
  }

  private func end(_ rows: PGResult) async throws {
    let lost = try rows.map { (task: try $0.int64("task_id"), attempt: try $0.int32("attempt")) }
    guard !lost.isEmpty else { return }
    logger.warning("leases were lost", metadata: ["tasks": "\(lost.map(\.task))"])
    try await withThrowingTaskGroup(of: Void.self) { group in
      for lease in lost {
        group.addTask {
          _ = try await completions.submit(
            TaskCompletion(task: lease.task, attempt: lease.attempt, outcome: .lost), publishes: false)
        }
      }
      try await group.waitForAll()
    }
  }
}
