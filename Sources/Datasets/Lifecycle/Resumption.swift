internal import JobTypes
internal import PostgreSQL

/// Where a retry goes on: after the load, where all that the load made is still there and the source is the one it read.
/// A step before the load is not worth keeping (the probe is short, and its pin may be the very thing that failed), and
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
    return await SourceLook.state(dataset.spec.source.url, pin) == .unchanged ? operation.id : nil
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
    guard jobs.count >= 3, try jobs[0].text("state") == "SUCCEEDED",
      try jobs[1].text("job_type") == JobType.ingestVector, try jobs[1].text("state") == "SUCCEEDED",
      try jobs[2].text("job_type") == JobType.stacCatalogVectors, let ingest = try jobs[1].optionalText("result")
    else { return nil }
    let tables = Set(
      try JSON.decode(IngestVectorResult.self, from: ingest).layers.map { ServedTable.identifier($0.table) })
    // Locked: whoever is about to doom them waits, and then finds them with the new operation.
    let present = try await transaction.query(
      """
      SELECT identifier FROM coremachine.ledger
      WHERE operation_id = $1 AND step = 2 AND kind = 'table' AND state = 'PRESENT' FOR NO KEY UPDATE
      """, [.int64(operation.id)])
    guard !tables.isEmpty, tables == Set(try present.map { try $0.text("identifier") }) else { return nil }
    return Resumption(step: 3, jobType: JobType.stacCatalogVectors, parameters: try jobs[2].text("parameters"))
  }
}
