internal import Logging
internal import PostgreSQL
internal import Synchronization
internal import TaskProtocol

/// What one attempt has to say.
struct ProgressRow: Sendable {
  var task: Int64
  var attempt: Int32
  var operation: Int64
  var progress: TaskProgress
  var fraction: Double
  var warnings: [TaskWarning]
}

/// Writes progress: a group-commit row of its own, at most one an interval and operation. What is newer replaces what
/// waits, so a slow database is written to less often and never falls behind.
final class ProgressLane: Sendable {
  private let commits: GroupCommit<ProgressRow, Void>
  private let attempts: RunningAttempts
  private let interval: Duration
  private let logger: Logger
  private let lastWritten = Mutex<[Int64: ContinuousClock.Instant]>([:])

  init(lanes: CommitLanes, attempts: RunningAttempts, interval: Duration, logger: Logger) {
    self.attempts = attempts
    self.interval = interval
    self.logger = logger
    commits = GroupCommit(lanes: lanes, failPoints: "progress", areInOrder: { $0.task < $1.task }) {
      transaction, rows in
      _ = try await transaction.commit(after: [try Self.statement(rows)])
      return rows.map { _ in .success(()) }
    }
  }

  /// Until cancelled.
  func run() async {
    while !Task.isCancelled {
      try? await Task.sleep(for: interval / 4)
      let now = ContinuousClock.now
      let due = attempts.all.filter { attempt in
        lastWritten.withLock { $0[attempt.task.operationID].map { now >= $0 + interval } ?? true }
      }
      for (operation, attempts) in Dictionary(grouping: due, by: \.task.operationID) {
        let rows = attempts.compactMap { attempt in attempt.takeProgress().map { (attempt, $0) } }
        guard !rows.isEmpty else { continue }
        lastWritten.withLock { $0[operation] = now }
        for (attempt, row) in rows { Task { await write(row, of: attempt) } }
      }
      let running = Set(attempts.all.map(\.task.operationID))
      lastWritten.withLock { written in written = written.filter { running.contains($0.key) } }
    }
  }

  /// What the attempt reported last, before it ends: its warnings outlive it.
  func flush(_ attempt: Attempt) async {
    if let row = attempt.takeProgress() { await write(row, of: attempt) }
  }

  private func write(_ row: ProgressRow, of attempt: Attempt) async {
    do { try await commits.submit(row) } catch {
      attempt.progressNotWritten()
      logger.warning("progress was not written", metadata: ["task": "\(row.task)", "error": "\(error)"])
    }
  }

  static func statement(_ rows: [ProgressRow]) throws -> PostgresStatement {
    PostgresStatement(
      """
      SELECT coremachine.write_progress($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], \
      $7::text[], $8::float8[], $9::text[])
      """,
      [
        .int64Array(rows.map(\.task)), .int32Array(rows.map(\.attempt)), .textArray(rows.map(\.progress.phase)),
        .textArray(rows.map(\.progress.unit)), .int64Array(rows.map(\.progress.done)),
        .int64Array(rows.map(\.progress.total)), .textArray(rows.map(\.progress.message)),
        .float8Array(rows.map(\.fraction)), .textArray(try rows.map { try JSONText.encode($0.warnings) }),
      ])
  }
}
