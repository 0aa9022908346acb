internal import JobTypes
internal import PostgreSQL

/// Where a retry goes on: after the step that made what is served, where all it made is still there and the source is the one
/// it read. A step before that is not worth keeping (the probe is short, and its pin may be the very thing that failed), and
/// `verify` needs the preview that cataloguing sets up.
struct Resumption: Sendable {
  /// From 1.
  var step: Int32
  var jobType: String
  /// JSON.
  var parameters: String

  /// Failures that come from the loaded rows: going on with the same rows would fail again.
  private static let inTheRows: Set<String> = [
    JobTypes.Reason.verifyFailed.rawValue, JobTypes.Reason.countMismatch.rawValue,
  ]

  /// The operation whose source is as it was pinned; looked at outside any transaction.
  static func unchangedSource(of key: DatasetKey, on session: some PostgresSession) async throws -> Int64? {
    guard let dataset = try await DatasetQueries.newest(key, .living, on: session),
      let operation = dataset.operation, let pin = try await SourceLook.pin(of: operation.id, on: session)
    else { return nil }
    return await SourceLook.state(dataset.spec.sourceURL, pin) == .unchanged ? operation.id : nil
  }

  /// Nil: from step 1. After the retry window the ledger's rows are doomed, so a late retry finds nothing to keep.
  static func find(of operation: DatasetRecord.OperationSummary, on transaction: PostgresTransaction) async throws
    -> Resumption?
  {
    if let reason = operation.problem?.reason.name, inTheRows.contains(reason) { return nil }
    let jobs = try await transaction.query(
      """
      SELECT job_type, state, parameters::text AS parameters, results[1]::text AS result FROM coremachine.jobs
      WHERE operation_id = $1 ORDER BY step
      """, [.int64(operation.id)])
    guard let made = try Made.allCases.first(where: { try $0.matches(jobs) }), try jobs[0].text("state") == "SUCCEEDED",
      let result = try jobs[made.step - 1].optionalText("result")
    else { return nil }
    let things = try made.things(result)
    // Locked: whoever is about to doom them waits, and then finds them with the new operation.
    let present = try await transaction.query(
      """
      SELECT identifier FROM coremachine.ledger
      WHERE operation_id = $1 AND step = $2 AND kind = $3 AND state = 'PRESENT' FOR NO KEY UPDATE
      """, [.int64(operation.id), .int32(Int32(made.step)), .text(made.kind)])
    guard !things.isEmpty, things == Set(try present.map { try $0.text("identifier") }) else { return nil }
    return Resumption(
      step: Int32(made.step + 1), jobType: made.following, parameters: try jobs[made.step].text("parameters"))
  }

  /// The step of a chain that makes what is served.
  private enum Made: CaseIterable {
    case tables, raster

    /// From 1.
    var step: Int { self == .tables ? 2 : 3 }
    var jobType: String { self == .tables ? JobType.ingestVector : JobType.processRaster }
    var following: String { self == .tables ? JobType.stacCatalogVectors : JobType.stacCatalogRaster }
    /// In the ledger.
    var kind: String { self == .tables ? "table" : ServedFiles.kind }

    /// Whether it has succeeded, and the next step was planned.
    func matches(_ jobs: PGResult) throws -> Bool {
      guard jobs.count > step else { return false }
      return try jobs[step - 1].text("job_type") == jobType && jobs[step - 1].text("state") == "SUCCEEDED"
        && jobs[step].text("job_type") == following
    }

    /// What it made, as the ledger names it.
    func things(_ result: String) throws -> Set<String> {
      switch self {
      case .tables:
        Set(try JSON.decode(IngestVectorResult.self, from: result).layers.map { ServedTable.identifier($0.table) })
      case .raster: [try JSON.decode(ProcessRasterResult.self, from: result).file]
      }
    }
  }
}
