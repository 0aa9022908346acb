public import CoreMachine
public import PostgreSQL

/// What happens to datasets by themselves: purges fall due, and go on until nothing is left.
public struct DatasetDuties: Sendable {
  private let pool: ConnectionPool
  private let moves: DatasetMoves

  /// - Parameter observer: is told of changes once they are committed.
  public init(pool: ConnectionPool, retention: Int64, observer: any DatasetObserver = NoDatasetObserver()) {
    self.pool = pool
    moves = DatasetMoves(pool: pool, retention: retention, observer: observer)
  }

  /// The duties as CoreMachine runs them.
  public var definitions: [DutyDefinition] {
    [
      DutyDefinition(kind: "retire_datasets", every: .seconds(60)) { [self] _ in
        try await retire()
        return .done
      },
      DutyDefinition(kind: "purge") { [self] context in
        guard let pk = Int64(context.key) else { return .done }
        return try await purge(datasetPK: pk) ? .done : .again(after: .milliseconds(250))
      },
    ]
  }

  /// Purges what was deleted long enough ago, and forgets request ids of more than 24 h.
  func retire() async throws {
    let due = try await pool.query(
      """
      SELECT key FROM datasets.datasets d WHERE state = 'DELETED' AND purge_at <= now()
        -- What mosaics are made of stays as long as they; it must not stand before all others.
        AND NOT EXISTS (SELECT FROM datasets.dependents(d.pk, false))
      ORDER BY purge_at LIMIT 100
      """, [])
    for row in due {
      guard let key = DatasetKey(bytes: try row.bytes("key")) else { continue }
      do { _ = try await moves.purge(key, Caller(principal: "terrane:retention")) } catch is Problem { continue }
    }
    _ = try await pool.query("DELETE FROM datasets.requests WHERE at < now() - interval '24 hours'", [])
  }

  /// One step of a purge: true once everything the dataset left is gone and it is PURGED.
  func purge(datasetPK: Int64) async throws -> Bool {
    switch try await purgeStep(datasetPK) {
    case .waits: return false
    case .nothingToDo: return true
    case .finished(let operation):
      var event = DatasetEvent(
        .datasetFinishPurge, subject: datasetPK, from: "PURGING", to: "PURGED", actor: "terrane:purge")
      event.operation = operation
      moves.observer.committed([event])
      return true
    }
  }

  private enum PurgeStep: Sendable {
    case waits, nothingToDo
    /// By this very step, rather than before.
    case finished(operation: Int64?)
  }

  private func purgeStep(_ datasetPK: Int64) async throws -> PurgeStep {
    try await pool.transaction(TransactionOptions(failPoints: "purge_duty")) { transaction in
      guard
        let row = try await transaction.query(
          """
          SELECT d.state, d.operation_id, o.state AS operation_state FROM datasets.datasets d
          LEFT JOIN coremachine.operations o ON o.operation_id = d.operation_id WHERE d.pk = $1
          """, [.int64(datasetPK)]
        ).first
      else { return .nothingToDo }
      guard try row.text("state") == DatasetState.purging.rawValue else { return .nothingToDo }
      // The old operation ends first: it may still be making things.
      if let state = try row.optionalText("operation_state"), !["SUCCEEDED", "FAILED", "CANCELLED"].contains(state) {
        return .waits
      }
      _ = try await transaction.query("SELECT coremachine.ledger_doom_all_now($1)", [.int64(datasetPK)])
      let left = try await transaction.query(
        "SELECT 1 FROM coremachine.ledger WHERE subject = $1 AND state <> 'GONE' LIMIT 1", [.int64(datasetPK)])
      guard left.isEmpty else { return .waits }
      _ = try await transaction.query("DELETE FROM coremachine.holds WHERE holder = $1", [.int64(datasetPK)])
      try await transaction.compareAndSet(
        """
        UPDATE datasets.datasets SET state = 'PURGED', purged_at = now(), updated_at = now(), publication = NULL
        WHERE pk = $1 AND state = 'PURGING' RETURNING 1
        """, [.int64(datasetPK)])
      _ = try await transaction.query(
        """
        INSERT INTO datasets.events (dataset_pk, actor, move, from_state, to_state)
        VALUES ($1, 'terrane:purge', 'finish_purge', 'PURGING', 'PURGED')
        """, [.int64(datasetPK)])
      _ = try await transaction.query("SELECT coremachine.touch(ARRAY[$1::bigint])", [.int64(datasetPK)])
      return .finished(operation: try row.optionalInt64("operation_id"))
    }
  }
}
