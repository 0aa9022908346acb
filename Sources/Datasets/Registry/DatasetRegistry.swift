internal import CoreMachine
public import PostgreSQL

/// Datasets as callers meet them: asked for, looked up, moved. Every answer is a `DatasetRecord`; every refusal a `Problem`.
public final class DatasetRegistry: Sendable {
  private let creates: GroupCommit<CreateRow, CreateOutcome>
  let pool: ConnectionPool
  private let moves: DatasetMoves
  private let clock: @Sendable () -> String

  /// - Parameters:
  ///   - writers: the write connections that group commit runs on.
  ///   - pool: for everything else.
  ///   - retention: seconds from delete to purge.
  ///   - observer: is told of changes once they are committed.
  ///   - clock: the time as RFC 3339 in UTC.
  public init(
    writers: CommitLanes, pool: ConnectionPool, retention: Int64,
    observer: any DatasetObserver = NoDatasetObserver(), clock: @escaping @Sendable () -> String
  ) {
    self.pool = pool
    self.moves = DatasetMoves(pool: pool, retention: retention, observer: observer)
    self.clock = clock
    creates = GroupCommit(
      lanes: writers, failPoints: "create_batch", size: { $0.byteCount },
      perform: { transaction, rows in try await CreateBatch.perform(transaction, rows) })
  }

  /// Asks for a dataset. `created` is true for the one call that brought it (or a new try of it) into being.
  public func create(_ identity: DatasetIdentity, _ spec: DatasetSpec, _ caller: Caller) async throws
    -> (dataset: DatasetRecord, created: Bool)
  {
    let key = DatasetKey(of: identity)
    if let members = spec.raster?.members {
      // A dataset that is there is answered with, or is the reason for a refusal, whatever has become of its members.
      let there = try await DatasetQueries.newest(key, .living, on: pool)
      let isTriedAgain = there.map { $0.state == .draft && !$0.isBusy && $0.spec != spec } ?? true
      if isTriedAgain { try await MosaicMembers.require(members, on: pool) }
    }
    let row = CreateRow(
      identity: identity, key: key, spec: try spec.storedJSON(), specValue: spec,
      firstParameters: try parameters(ChainSubject(identity: identity, spec: spec, requestedAt: clock())),
      type: spec.type, principal: caller.principal, requestID: caller.requestID, bodyHash: caller.bodyHash)
    for _ in 0..<4 {
      switch try await creates.submit(row) {
      case .answered(let dataset, let created, let made):
        if made {
          let changes = MoveChanges()
          changes.add(.datasetCreate, dataset, from: "NONE", to: "DRAFT", caller)
          moves.observer.committed(changes.all)
        }
        return (dataset, created)
      case .requestIDReused: throw RequestLog.reused
      case .undecided:
        if let answer = try await createAgainst(row, spec, caller) { return answer }
      }
    }
    throw Problem(.overloaded, "the dataset changes faster than this call can follow; try again")
  }

  /// The cells of the state × body table that the batch leaves. Nil: the dataset went away meanwhile; ask the batch again.
  private func createAgainst(_ row: CreateRow, _ spec: DatasetSpec, _ caller: Caller) async throws
    -> (dataset: DatasetRecord, created: Bool)?
  {
    try await moves.move("create") { [moves] transaction, changes in
      if case .replay(let pk, let created) = try await RequestLog.enter(caller, method: "CreateDataset", transaction) {
        return (try await DatasetQueries.record(pk: pk, on: transaction), created)
      }
      guard let dataset = try await DatasetQueries.newest(row.key, .living, on: transaction) else {
        _ = try await transaction.query(
          "DELETE FROM datasets.requests WHERE principal = $1 AND method = 'CreateDataset' AND request_id = $2",
          [.text(caller.principal), .optional(caller.requestID)])
        return nil
      }
      let differing = spec.fieldsDiffering(from: dataset.spec)
      switch dataset.state {
      case .deleted:
        throw Problem(
          .datasetDeleted, "the dataset is deleted", details: ["dataset_key": "\(dataset.key)"],
          remedy: "Bring it back with `terrane undelete`, or free its name with `terrane purge` and create it again.")
      case .draft where !differing.isEmpty && !dataset.isBusy:
        try await transaction.compareAndSet(
          """
          UPDATE datasets.datasets SET spec = $2, dataset_type = $4
          WHERE pk = $1 AND state = 'DRAFT' AND operation_id IS NOT DISTINCT FROM $3 RETURNING 1
          """,
          [.int64(dataset.pk), .json(row.spec), .optional(dataset.operation?.id), .text(spec.type.rawValue)])
        _ = try await transaction.query(
          "SELECT coremachine.ledger_doom($1, NULL, interval '0')", [.int64(dataset.pk)])
        let begun = try await moves.begin(dataset, retryOf: nil, parameters: row.firstParameters, transaction)
        try await moves.event("create", dataset, to: .draft, operation: begun, caller, transaction)
        changes.add(.datasetCreate, dataset, from: "DRAFT", to: "DRAFT", operation: begun, caller)
        try await RequestLog.record(caller, method: "CreateDataset", datasetPK: dataset.pk, created: true, transaction)
        try await moves.touch(dataset, transaction)
        return (try await DatasetQueries.record(pk: dataset.pk, on: transaction), true)
      default:
        guard differing.isEmpty else {
          throw Problem(
            .datasetExists, "the dataset exists with another request: \(differing.joined(separator: ", "))",
            field: differing.first,
            details: ["dataset_key": "\(dataset.key)", "fields": differing.joined(separator: ", ")])
        }
        try await RequestLog.record(caller, method: "CreateDataset", datasetPK: dataset.pk, created: false, transaction)
        return (dataset, false)
      }
    }
  }

  /// The newest life of a key; one that is purged only where `showDeleted`.
  public func get(_ key: DatasetKey, showDeleted: Bool = false) async throws -> DatasetRecord {
    try await DatasetQueries.existing(key, showDeleted ? .all : .notPurged, on: pool)
  }

  /// Records by row key, for watchers; one that does not exist is absent.
  public func records(pks: [Int64]) async throws -> [Int64: DatasetRecord] {
    try await DatasetQueries.records(pks: pks, on: pool)
  }

  public func list(_ page: ListPage) async throws -> [DatasetRecord] { try await DatasetQueries.page(page, on: pool) }

  public func cancel(_ key: DatasetKey, _ caller: Caller) async throws -> DatasetRecord {
    try await moves.cancel(key, caller)
  }

  public func retry(_ key: DatasetKey, _ caller: Caller) async throws -> DatasetRecord {
    try await moves.retry(key, caller) { [self] dataset in
      try parameters(ChainSubject(identity: dataset.identity, spec: dataset.spec, requestedAt: clock()))
    }
  }

  /// Builds what is served anew.
  public func reprocess(_ key: DatasetKey, _ caller: Caller) async throws -> DatasetRecord {
    try await moves.reprocess(key, caller) { [self] dataset in
      try parameters(ChainSubject(identity: dataset.identity, spec: dataset.spec, requestedAt: clock()))
    }
  }

  /// How the source of what is served stands to what it was made of. Looks at names, sizes and times for at most a second.
  public func sourceState(of dataset: DatasetRecord) async throws -> SourceState {
    if dataset.spec.type == .mosaic, let build = dataset.result?.build {
      return try await MosaicMembers.state(of: build, of: dataset.pk, on: pool)
    }
    guard let build = dataset.result?.build, let pin = try await SourceLook.pin(of: build, on: pool) else {
      return .unknown
    }
    return await SourceLook.state(dataset.spec.sourceURL, pin)
  }

  /// - Parameter force: also where mosaics are made of it.
  public func delete(_ key: DatasetKey, force: Bool = false, _ caller: Caller) async throws -> DatasetRecord {
    try await moves.delete(key, force: force, caller)
  }

  /// The mosaics that are made of a dataset, and are served or being made.
  public func dependents(of dataset: DatasetRecord) async throws -> [DatasetIdentity] {
    try await DatasetQueries.dependents(of: dataset.pk, living: true, on: pool).map(\.identity)
  }

  public func undelete(_ key: DatasetKey, _ caller: Caller) async throws -> DatasetRecord {
    try await moves.undelete(key, caller)
  }

  public func purge(_ key: DatasetKey, _ caller: Caller) async throws -> DatasetRecord {
    try await moves.purge(key, caller)
  }

  /// What exists because of a dataset: the ledger's living rows, its route and STAC item.
  public func artifacts(of dataset: DatasetRecord) async throws -> [DatasetArtifact] {
    let rows = try await pool.query(
      """
      SELECT kind, identifier, bytes FROM coremachine.ledger WHERE subject = $1 AND state <> 'GONE'
      UNION ALL SELECT 'route', build::text, NULL FROM serving.routes WHERE dataset_pk = $1
      UNION ALL SELECT 'stac_item', stac_collection || '/' || stac_item, NULL FROM serving.routes
        WHERE dataset_pk = $1 AND stac_item IS NOT NULL AND preview_token_sha256 IS NULL
      ORDER BY 1, 2
      """, [.int64(dataset.pk)])
    return try rows.map { row in
      DatasetArtifact(
        kind: try row.text("kind"), identifier: try row.text("identifier"), bytes: try row.optionalInt64("bytes"))
    }
  }

  private func parameters(_ subject: ChainSubject) throws -> String {
    try FirstParameters(subject).json()
  }
}

/// A thing that exists because of a dataset.
public struct DatasetArtifact: Sendable {
  /// table, schema, directory, route, stac_item.
  public var kind: String
  public var identifier: String
  public var bytes: Int64?
}
