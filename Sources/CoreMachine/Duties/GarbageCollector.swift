#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif
internal import Logging
public import PostgreSQL

/// Removes things of one kind that the ledger dooms, and looks again.
public struct GarbageRemover: Sendable {
  /// The kind of ledger entry: `table`, `directory`, …
  public var kind: String
  /// Removes the thing; it may be gone, or half gone, already. Runs in the transaction that holds the ledger row: DDL
  /// belongs into it.
  public var remove: @Sendable (GarbageItem, PostgresTransaction) async throws -> Void
  /// Whether the thing is (still) there.
  public var exists: @Sendable (GarbageItem, PostgresTransaction) async throws -> Bool

  public init(
    kind: String, remove: @escaping @Sendable (GarbageItem, PostgresTransaction) async throws -> Void,
    exists: @escaping @Sendable (GarbageItem, PostgresTransaction) async throws -> Bool
  ) {
    self.kind = kind
    self.remove = remove
    self.exists = exists
  }
}

/// A doomed entry of the ledger.
public struct GarbageItem: Sendable {
  public var kind: String
  public var identifier: String
  public var subject: Int64
  public var operationID: Int64
  /// The attempt that made it.
  public var taskID: Int64?
  public var attempt: Int32
}

/// It was removed and is still there.
struct StillThere: Error, CustomStringConvertible {
  var item: GarbageItem
  var description: String { "\(item.kind) \(item.identifier) is still there after its removal" }
}

struct GarbageCollector: Sendable {
  let settings: CoreMachineSettings
  let removers: [String: GarbageRemover]
  let connection: ConnectionPool
  let logger: Logger

  /// Things removed in one go, so that a run stays far below the duty's lease.
  private static let most = 200

  /// Dooms what no retry can use any more, then removes what is due.
  func collect() async throws -> DutyOutcome {
    try await connection.query(
      "SELECT coremachine.ledger_doom_failed($1::text::interval)", [.text(settings.retryWindow.interval)])
    for _ in 0..<Self.most {
      guard try await collectOne() else { return .done }
    }
    return .again(after: .zero)
  }

  /// False when nothing is due.
  private func collectOne() async throws -> Bool {
    try await connection.transaction(TransactionOptions(failPoints: "garbage")) { transaction in
      let rows = try await transaction.query(
        "SELECT * FROM coremachine.ledger_next_doomed($1::text[], $2)",
        [.textArray(Array(removers.keys)), .text(settings.host)])
      guard let row = rows.first else { return false }
      let item = GarbageItem(
        kind: try row.text("kind"), identifier: try row.text("identifier"), subject: try row.int64("subject"),
        operationID: try row.int64("operation_id"), taskID: try row.optionalInt64("task_id"),
        attempt: try row.int32("attempt"))
      var failure: String?
      // A failed removal is undone to here, so that the failure itself can be written.
      try await transaction.query("SAVEPOINT removal")
      do {
        guard let remover = removers[item.kind] else { return false }
        try await remover.remove(item, transaction)
        if try await remover.exists(item, transaction) { throw StillThere(item: item) }
      } catch {
        failure = "\(error)"
        logger.warning(
          "garbage was not removed",
          metadata: ["kind": "\(item.kind)", "name": "\(item.identifier)", "error": "\(error)"])
        try await transaction.query("ROLLBACK TO SAVEPOINT removal")
      }
      _ = try await transaction.commit(after: [
        PostgresStatement(
          "SELECT coremachine.ledger_collected($1::bigint[], $2::text[])",
          [.int64Array([try row.int64("ledger_id")]), .textArray([failure])])
      ])
      return true
    }
  }
}

extension GarbageRemover {
  /// Staging schemas of attempts. Their sessions are ended first: a dead child's CREATE INDEX would hold its locks.
  static let stagingSchema = GarbageRemover(kind: "schema") { item, transaction in
    guard item.identifier.wholeMatch(of: /staging_t[0-9]+_a[0-9]+/) != nil else {
      throw PostgresError(.protocolMisuse, "\(item.identifier) is no staging schema")
    }
    if let task = item.taskID {
      try await transaction.query(
        terminateSessions, [.text(ClaimedTask.applicationName(task: task, attempt: item.attempt))])
    }
    try await transaction.execute(script: "DROP SCHEMA IF EXISTS \(quoted(item.identifier)) CASCADE")
  } exists: { item, transaction in
    try await transaction.query(
      "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS there", [.text(item.identifier)]
    ).oneRow().bool("there")
  }

  /// Scratch directories under the engine's own root.
  static func scratch(root: String) -> GarbageRemover {
    GarbageRemover(kind: "scratch") { item, _ in
      guard item.identifier.hasPrefix(root + "/"), !item.identifier.contains("/../") else { return }
      if FileManager.default.fileExists(atPath: item.identifier) {
        try FileManager.default.removeItem(atPath: item.identifier)
      }
    } exists: { item, _ in
      item.identifier.hasPrefix(root + "/") && FileManager.default.fileExists(atPath: item.identifier)
    }
  }
}
