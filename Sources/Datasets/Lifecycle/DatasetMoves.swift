internal import CoreMachine
internal import JobTypes
internal import PostgreSQL
internal import Synchronization

/// The named calls that move a dataset. Each is one transaction: the move, its event, what follows from it (route, STAC item,
/// operation), and the change number last.
///
/// Lock order: CoreMachine's rows first (cancelling locks tasks, stages, jobs, the operation), then the dataset's row, which
/// is compared and set against the state that was read without a lock. Where another call was quicker, it is tried again.
struct DatasetMoves: Sendable {
  var pool: ConnectionPool
  /// From delete to purge, in seconds.
  var retention: Int64
  var observer: any DatasetObserver = NoDatasetObserver()

  /// Ends the operation under way.
  func cancel(_ key: DatasetKey, _ caller: Caller) async throws -> DatasetRecord {
    try await move("cancel") { transaction, changes in
      let dataset = try await DatasetQueries.existing(key, on: transaction)
      guard let operation = dataset.operation, !operation.state.isTerminal else {
        if dataset.operation?.state == .cancelled, !dataset.state.isServed { return dataset }
        throw illegal("cancel", dataset, because: "no operation is under way")
      }
      guard operation.state != .cancelling else { return dataset }
      // Publishing locks the same row: where it was quicker, there is nothing to cancel any more.
      guard let end = try await cancelOperation(operation.id, transaction) else { throw LostRace() }
      guard end.former != end.state else { return try await DatasetQueries.record(pk: dataset.pk, on: transaction) }
      try await event("cancel", dataset, to: dataset.state, caller, transaction)
      changes.add(.operationCancel, dataset, from: end.former.rawValue, to: end.state.rawValue, caller)
      try await touch(dataset, transaction)
      return try await DatasetQueries.record(pk: dataset.pk, on: transaction)
    }
  }

  /// Runs a failed or cancelled create again, from the first step whose outputs are not all there.
  func retry(_ key: DatasetKey, _ caller: Caller, firstParameters: @Sendable @escaping (DatasetRecord) throws -> String)
    async throws -> DatasetRecord
  {
    let unchanged = try await Resumption.unchangedSource(of: key, on: pool)
    return try await move("retry") { transaction, changes in
      if case .replay(let pk, _) = try await RequestLog.enter(caller, method: "RetryDataset", transaction) {
        return try await DatasetQueries.record(pk: pk, on: transaction)
      }
      let dataset = try await DatasetQueries.existing(key, on: transaction)
      try await RequestLog.record(caller, method: "RetryDataset", datasetPK: dataset.pk, created: false, transaction)
      if dataset.state == .draft, dataset.isBusy { return dataset }
      guard dataset.state == .draft, let operation = dataset.operation,
        operation.state == .failed || operation.state == .cancelled
      else { throw illegal("retry", dataset, because: "its last operation did not fail") }
      try await hold(dataset, transaction)
      let resumption = unchanged == operation.id ? try await Resumption.find(of: operation, on: transaction) : nil
      let begun = try await begin(
        dataset, retryOf: operation.id, at: resumption, parameters: firstParameters(dataset), transaction)
      try await event("retry", dataset, to: .draft, operation: begun, caller, transaction)
      changes.add(
        .datasetRetry, dataset, from: "DRAFT", to: "DRAFT", operation: begun, retryOf: operation.id, caller)
      try await touch(dataset, transaction)
      return try await DatasetQueries.record(pk: dataset.pk, on: transaction)
    }
  }

  /// Builds what is served anew, of the same request and the source as it is now. The older build is served until the new
  /// one is published, and after it where the new one fails.
  func reprocess(
    _ key: DatasetKey, _ caller: Caller, firstParameters: @Sendable @escaping (DatasetRecord) throws -> String
  ) async throws -> DatasetRecord {
    try await move("reprocess") { transaction, changes in
      if case .replay(let pk, _) = try await RequestLog.enter(caller, method: "ReprocessDataset", transaction) {
        return try await DatasetQueries.record(pk: pk, on: transaction)
      }
      let dataset = try await DatasetQueries.existing(key, on: transaction)
      try await RequestLog.record(
        caller, method: "ReprocessDataset", datasetPK: dataset.pk, created: false, transaction)
      guard dataset.state.isServed, let build = dataset.result?.build else {
        throw illegal("reprocess", dataset, because: "nothing of it is served")
      }
      guard !dataset.isBusy else { throw illegal("reprocess", dataset, because: "an update is under way") }
      try await hold(dataset, transaction)
      // What an update that failed has left is nobody's any more.
      try await transaction.query(
        "SELECT coremachine.ledger_doom($1, $2, interval '0')", [.int64(dataset.pk), .int64(build)])
      let begun = try await begin(dataset, retryOf: nil, parameters: firstParameters(dataset), transaction)
      try await event("reprocess", dataset, to: dataset.state, operation: begun, caller, transaction)
      changes.add(
        .datasetReprocess, dataset, from: dataset.state.rawValue, to: dataset.state.rawValue, operation: begun, caller)
      try await touch(dataset, transaction)
      return try await DatasetQueries.record(pk: dataset.pk, on: transaction)
    }
  }

  /// Withdraws a dataset: route and STAC item go, a running operation is cancelled, tables and files stay until purge.
  /// - Parameter force: also where mosaics are made of it, which go on serving its files.
  func delete(_ key: DatasetKey, force: Bool = false, _ caller: Caller) async throws -> DatasetRecord {
    try await move("delete") { transaction, changes in
      if case .replay(let pk, _) = try await RequestLog.enter(caller, method: "DeleteDataset", transaction) {
        return try await DatasetQueries.record(pk: pk, on: transaction)
      }
      let dataset = try await DatasetQueries.existing(key, on: transaction)
      try await RequestLog.record(caller, method: "DeleteDataset", datasetPK: dataset.pk, created: false, transaction)
      guard dataset.state != .deleted else { return dataset }
      guard dataset.state.legalMoves.contains(.delete) else {
        throw illegal("delete", dataset, because: "it is being purged")
      }
      if let operation = dataset.operation, !operation.state.isTerminal, operation.state != .cancelling {
        if let end = try await cancelOperation(operation.id, transaction), end.former != end.state {
          changes.add(.operationCancel, dataset, from: end.former.rawValue, to: end.state.rawValue, caller)
        }
      }
      // With the operation: one that was begun meanwhile would run on in a deleted dataset.
      try await transaction.compareAndSet(
        """
        UPDATE datasets.datasets SET state = 'DELETED', former_state = state, deleted_at = now(), updated_at = now(),
          purge_at = now() + make_interval(secs => $3)
        WHERE pk = $1 AND state = $2 AND operation_id IS NOT DISTINCT FROM $4 RETURNING 1
        """,
        [
          .int64(dataset.pk), .text(dataset.state.rawValue), .float8(Double(retention)),
          .optional(dataset.operation?.id),
        ])
      // Behind the row's lock: a mosaic that is being planned either holds it by now, or finds it deleted.
      if !force { try await refuseDependents("delete", dataset, living: true, caller, transaction) }
      try await transaction.query("SELECT datasets.withdraw($1)", [.int64(dataset.pk)])
      try await event("delete", dataset, to: .deleted, caller, transaction)
      changes.add(.datasetDelete, dataset, from: dataset.state.rawValue, to: "DELETED", caller)
      try await touch(dataset, transaction)
      return try await DatasetQueries.record(pk: dataset.pk, on: transaction)
    }
  }

  /// Brings a deleted dataset back as it was published. A cancelled operation stays cancelled.
  func undelete(_ key: DatasetKey, _ caller: Caller) async throws -> DatasetRecord {
    try await move("undelete") { transaction, changes in
      let dataset = try await DatasetQueries.existing(key, on: transaction)
      guard dataset.state == .deleted, let former = dataset.formerState else {
        throw illegal(
          "undelete", dataset, because: dataset.state == .purging ? "it is being purged" : "it is not deleted")
      }
      try await transaction.compareAndSet(
        """
        UPDATE datasets.datasets SET state = former_state, former_state = NULL, deleted_at = NULL, purge_at = NULL,
          updated_at = now() WHERE pk = $1 AND state = 'DELETED' RETURNING 1
        """, [.int64(dataset.pk)])
      if former.isServed {
        try await transaction.query("SELECT datasets.restore($1)", [.int64(dataset.pk)])
      }
      try await event("undelete", dataset, to: former, caller, transaction)
      changes.add(.datasetUndelete, dataset, from: "DELETED", to: former.rawValue, caller)
      try await touch(dataset, transaction)
      return try await DatasetQueries.record(pk: dataset.pk, on: transaction)
    }
  }

  /// Begins the end of a deleted dataset: nothing undeletes it any more, its identity is free, a duty removes what it left.
  func purge(_ key: DatasetKey, _ caller: Caller) async throws -> DatasetRecord {
    try await move("purge") { transaction, changes in
      let dataset = try await DatasetQueries.existing(key, .all, on: transaction)
      if dataset.state == .purging || dataset.state == .purged { return dataset }
      guard dataset.state == .deleted else { throw illegal("purge", dataset, because: "it is not deleted") }
      try await transaction.compareAndSet(
        "UPDATE datasets.datasets SET state = 'PURGING', updated_at = now() WHERE pk = $1 AND state = 'DELETED' RETURNING 1",
        [.int64(dataset.pk)])
      // One that is deleted can come back, and would find its files gone.
      try await refuseDependents("purge", dataset, living: false, caller, transaction)
      try await transaction.query(
        "SELECT coremachine.schedule_duty('purge', $1)",
        [.text(String(dataset.pk))])
      try await event("purge", dataset, to: .purging, caller, transaction)
      changes.add(.datasetPurge, dataset, from: "DELETED", to: "PURGING", caller)
      try await touch(dataset, transaction)
      return try await DatasetQueries.record(pk: dataset.pk, on: transaction)
    }
  }

  // MARK: What moves are made of

  /// Runs a move; where a compare-and-set lost to another call, or the database chose it as a deadlock's victim (pgstac
  /// drops partitions that others read), looks again. `name` also names the statement boundaries at
  /// which crash tests end the process. What `body` notes as changed is told to the observer once it is committed.
  func move<T: Sendable>(
    _ name: String, _ body: @Sendable @escaping (PostgresTransaction, MoveChanges) async throws -> T
  ) async throws -> T {
    for _ in 0..<4 {
      // Of this try alone: one that is rolled back has changed nothing.
      let changes = MoveChanges()
      do {
        let answer = try await pool.transaction(TransactionOptions(failPoints: name)) { transaction in
          try await body(transaction, changes)
        }
        observer.committed(changes.all)
        return answer
      } catch is LostRace {
        continue
      } catch let error as PostgresError where error.isDeadlock {
        continue
      }
    }
    throw Problem(.overloaded, "the dataset changes faster than this call can follow; try again")
  }

  /// The operation's state before and after, equal where another call had cancelled it already; nil where it had ended
  /// otherwise.
  func cancelOperation(_ id: Int64, _ transaction: PostgresTransaction) async throws
    -> (former: OperationState, state: OperationState)?
  {
    // The row is locked first, so that what it was before is what this call cancels.
    let row = try await transaction.query(
      """
      WITH held AS (SELECT operation_id, state FROM coremachine.operations WHERE operation_id = $1 FOR NO KEY UPDATE)
      SELECT held.state AS former, coremachine.cancel_operation(held.operation_id) AS state FROM held
      """, [.int64(id)]
    ).first
    guard let former = try row?.optionalText("former").flatMap(OperationState.init(rawValue:)),
      let state = try row?.optionalText("state").flatMap(OperationState.init(rawValue:)),
      state == .cancelling || state == .cancelled
    else { return nil }
    return (former, state)
  }

  /// Locks a dataset's row as it was read: nobody else moves it, or begins an operation of it, until this transaction ends.
  func hold(_ dataset: DatasetRecord, _ transaction: PostgresTransaction) async throws {
    try await transaction.compareAndSet(
      """
      SELECT 1 FROM datasets.datasets WHERE pk = $1 AND state = $2 AND operation_id IS NOT DISTINCT FROM $3
      FOR NO KEY UPDATE
      """, [.int64(dataset.pk), .text(dataset.state.rawValue), .optional(dataset.operation?.id)])
  }

  /// Starts a new operation of a dataset whose row the transaction holds. Returns its number.
  func begin(
    _ dataset: DatasetRecord, retryOf: Int64?, at resumption: Resumption? = nil, parameters: String,
    _ transaction: PostgresTransaction
  ) async throws -> Int64 {
    let begun = try await transaction.query(
      """
      WITH begun AS (SELECT (coremachine.begin_operations(ARRAY[$1::bigint], ARRAY[$6::text], ARRAY[$2::bigint],
        ARRAY[$3::text], ARRAY[$4::text], ARRAY[$5::integer]))[1] AS id)
      UPDATE datasets.datasets SET operation_id = begun.id, updated_at = now() FROM begun WHERE pk = $1
      RETURNING operation_id
      """,
      [
        .int64(dataset.pk), .optional(retryOf), .text(resumption?.jobType ?? JobType.probe),
        .text(resumption?.parameters ?? parameters), .int32(resumption?.step ?? 1),
        .text(dataset.state == .draft ? "create" : "update"),
      ])
    guard let row = begun.first else { throw LostRace() }
    return try row.int64("operation_id")
  }

  func event(
    _ name: String, _ dataset: DatasetRecord, to: DatasetState, operation: Int64? = nil, _ caller: Caller,
    _ transaction: PostgresTransaction
  ) async throws {
    try await transaction.query(
      """
      INSERT INTO datasets.events (dataset_pk, actor, move, from_state, to_state, request_id, operation_id)
      VALUES ($1, $2, $3, $4, $5, $6, $7)
      """,
      [
        .int64(dataset.pk), .text(caller.principal), .text(name), .text(dataset.state.rawValue), .text(to.rawValue),
        caller.requestID.map { .bytea($0) } ?? .null, .optional(operation ?? dataset.operation?.id),
      ])
  }

  /// Takes the change number: the last statement of a transaction that changes outward status.
  func touch(_ dataset: DatasetRecord, _ transaction: PostgresTransaction) async throws {
    try await transaction.query("SELECT coremachine.touch(ARRAY[$1::bigint])", [.int64(dataset.pk)])
  }

  private func refuseDependents(
    _ move: String, _ dataset: DatasetRecord, living: Bool, _ caller: Caller, _ transaction: PostgresTransaction
  ) async throws {
    let dependents = try await DatasetQueries.dependents(of: dataset.pk, living: living, on: transaction)
    guard !dependents.isEmpty else { return }
    var details = ["count": "\(dependents.count)"]
    // Those of namespaces that the caller may not see are counted only.
    let seen = dependents.filter { caller.sees($0.identity.namespace) }
    for (number, one) in seen.prefix(20).enumerated() {
      details["dataset \(number + 1)"] = one.identity.reference + (one.state == .deleted ? " (deleted)" : "")
    }
    let named = seen.first?.identity.reference ?? "one of another namespace"
    let more = dependents.count > 1 ? " and \(dependents.count - 1) more" : ""
    throw Problem(
      .datasetHasDependents, "cannot \(move) \(dataset.identity.reference), which mosaics are made of: \(named)\(more)",
      details: details, remedy: living ? nil : "Purge those first: their files are this dataset's.")
  }

  func illegal(_ move: String, _ dataset: DatasetRecord, because why: String) -> Problem {
    Problem(
      .illegalMove,
      "cannot \(move) \(dataset.identity.datasetID)/\(dataset.identity.resourceID)/\(dataset.identity.versionID): \(why)",
      details: [
        "state": dataset.state.rawValue, "status": dataset.status.rawValue,
        "legal_moves": dataset.legalCalls.joined(separator: ", "),
      ])
  }
}

/// What a transaction changed, to be told once it is committed.
final class MoveChanges: Sendable {
  private let events = Mutex<[DatasetEvent]>([])

  var all: [DatasetEvent] { events.withLock { $0 } }

  func add(
    _ name: EventName, _ dataset: DatasetRecord, from: String, to: String, operation: Int64? = nil,
    retryOf: Int64? = nil, _ caller: Caller
  ) {
    var event = DatasetEvent(name, subject: dataset.pk, from: from, to: to, actor: caller.principal)
    event.dataset = EventSubject(dataset)
    event.operation = operation ?? dataset.operation?.id
    event.retryOf = retryOf
    event.requestID = caller.requestID
    events.withLock { $0.append(event) }
  }
}

/// A compare-and-set met another state than was read.
struct LostRace: Error {}

extension PostgresTransaction {
  /// A compare-and-set: exactly one row must come back, else `LostRace`.
  func compareAndSet(_ sql: String, _ parameters: [PGValue]) async throws {
    if try await query(sql, parameters).isEmpty { throw LostRace() }
  }
}
