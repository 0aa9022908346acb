internal import JobTypes
internal import PostgreSQL

/// Where a retry goes on: at the furthest step before which everything that was made is still there, where the source is the one
/// that was read. Where nothing that is served was made yet it begins anew: the probe is short, and its pin may be the very thing
/// that failed.
struct Resumption: Sendable {
  /// From 1.
  var step: Int32
  var jobType: String
  /// JSON.
  var parameters: String

  /// Failures that come from the loaded rows or written files: going on with the same would fail again.
  private static let inTheRows: Set<String> = [
    JobTypes.Reason.verifyFailed.rawValue, JobTypes.Reason.countMismatch.rawValue, JobTypes.Reason.readError.rawValue,
    JobTypes.Reason.sourceCorrupt.rawValue, JobTypes.Reason.sourceTruncated.rawValue,
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
      SELECT job_type, state, parameters::text AS parameters, array_to_json(results)::text AS results FROM coremachine.jobs
      WHERE operation_id = $1 ORDER BY step
      """, [.int64(operation.id)])
    let steps = try jobs.map { job in
      Step(
        type: try job.text("job_type"), hasSucceeded: try job.text("state") == "SUCCEEDED",
        parameters: try job.text("parameters"), results: try job.optionalText("results") ?? "[]")
    }
    // A mosaic's members are held by the operation that planned it, and let go with it.
    guard !steps.contains(where: { $0.type == JobType.mosaicDatasets }) else { return nil }
    // The furthest step before which everything is still there.
    for place in steps.indices.reversed() where begin.contains(steps[place].type) {
      let before = steps[..<place]
      guard before.allSatisfy(\.hasSucceeded) else { continue }
      let made = try before.enumerated().map { try Self.made(by: $1, number: $0 + 1) }.reduce(into: Set()) {
        $0.formUnion($1)
      }
      // Locked: whoever is about to doom them waits, and then finds them with the new operation.
      let rows = try await transaction.query(
        """
        SELECT step, identifier FROM coremachine.ledger
        WHERE operation_id = $1 AND step <= $2 AND kind = ANY ($3) AND state = 'PRESENT' FOR NO KEY UPDATE
        """, [.int64(operation.id), .int32(Int32(place)), .textArray(["table", ServedFiles.kind])])
      let present = Set(try rows.map { Thing(step: Int(try $0.int32("step")), identifier: try $0.text("identifier")) })
      guard !made.isEmpty, made == present, try canBegin(at: steps[place]) else { continue }
      return Resumption(step: Int32(place + 1), jobType: steps[place].type, parameters: steps[place].parameters)
    }
    return nil
  }

  /// Steps a retry can begin at: what they need is in their parameters, and they set up what follows. `verify` and
  /// `generate_tile_cache` need the preview that the step before sets up.
  private static let begin: Set<String> = [
    JobType.stacCatalogVectors, JobType.stacCatalogRaster, JobType.stacCatalogCollection, JobType.createMosaic,
  ]

  /// Whether the files a step is to read are where its parameters say: a restored server may have another data directory.
  private static func canBegin(at step: Step) throws -> Bool {
    guard step.type == JobType.createMosaic else { return true }
    let parameters = try JSON.decode(CreateMosaicParameters.self, from: step.parameters)
    let files = ServedFiles(root: parameters.filesRoot)
    return parameters.files.allSatisfy(files.exists)
  }

  private struct Step {
    var type: String
    var hasSucceeded: Bool
    var parameters: String
    /// A JSON array.
    var results: String
  }

  /// A thing that is served, as the ledger names it.
  private struct Thing: Hashable {
    var step: Int
    var identifier: String
  }

  private static func made(by step: Step, number: Int) throws -> Set<Thing> {
    func results<T: Decodable>(_ type: T.Type) throws -> [T] { try JSON.decode([T].self, from: step.results) }
    let names: [String] =
      switch step.type {
      case JobType.ingestVector:
        try results(IngestVectorResult.self).flatMap { $0.layers.map { ServedTable.identifier($0.table) } }
      case JobType.processRaster, JobType.processRasters, JobType.processLargeRaster:
        try results(ProcessRasterResult.self).map(\.file)
      case JobType.createMosaic: try results(CreateMosaicResult.self).compactMap(\.overview?.file)
      case JobType.generateTileCache: try results(TileCacheResult.self).map(\.file)
      default: []
      }
    return Set(names.map { Thing(step: number, identifier: $0) })
  }
}
