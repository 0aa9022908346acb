public import CoreMachine
internal import JobTypes
internal import PostgreSQL
internal import TaskProtocol

/// The job types of datasets, as CoreMachine runs them.
public enum DatasetJobs {
  /// - Parameter files: where rasters are kept.
  public static func definitions(files: ServedFiles) -> [JobTypeDefinition] {
    [
      JobTypeDefinition(
        name: JobType.probe,
        stages: [
          StageDefinition(
            name: "run", silenceLimit: .seconds(120),
            timeLimit: TimeLimit(base: .seconds(600), perByte: .nanoseconds(500)))
        ]),
      JobTypeDefinition(
        name: JobType.ingestVector, stages: [StageDefinition(name: "run", silenceLimit: .seconds(300))],
        needsDatabase: true,
        adopt: adoptTables),
      JobTypeDefinition(name: JobType.stacCatalogVectors),
      JobTypeDefinition(
        name: JobType.validateRaster,
        stages: [
          StageDefinition(
            name: "run", silenceLimit: .seconds(300),
            timeLimit: TimeLimit(base: .seconds(600), perByte: .nanoseconds(500)))
        ]),
      JobTypeDefinition(
        name: JobType.processRaster,
        stages: [
          StageDefinition(
            name: "run", silenceLimit: .seconds(300),
            timeLimit: TimeLimit(base: .seconds(1_800), perByte: .nanoseconds(2_000)))
        ],
        intends: { [LedgerIntent(kind: ServedFiles.kind, identifier: ServedFiles.name($0))] },
        adopt: { try await adoptRaster($0, files) }),
      JobTypeDefinition(name: JobType.stacCatalogRaster),
      JobTypeDefinition(
        name: JobType.validateRasters,
        stages: [
          StageDefinition(
            name: "run", fanOut: .custom(validations), minTasks: 1, silenceLimit: .seconds(300),
            timeLimit: TimeLimit(base: .seconds(600), perByte: .nanoseconds(500)))
        ]),
      JobTypeDefinition(
        name: JobType.processRasters,
        stages: [
          StageDefinition(
            name: "run", fanOut: .custom(writings), minTasks: 1, silenceLimit: .seconds(300),
            timeLimit: TimeLimit(base: .seconds(1_800), perByte: .nanoseconds(2_000)))
        ],
        intends: { [LedgerIntent(kind: ServedFiles.kind, identifier: ServedFiles.name($0))] },
        adopt: { try await adoptRaster($0, files) }),
      JobTypeDefinition(
        name: JobType.processLargeRaster,
        stages: [
          StageDefinition(name: "plan", silenceLimit: .seconds(300)),
          StageDefinition(
            name: "tiles", fanOut: .custom(tiles), minTasks: 1, silenceLimit: .seconds(300),
            timeLimit: TimeLimit(base: .seconds(3_600))),
        ],
        intends: { [LedgerIntent(kind: ServedFiles.kind, identifier: ServedFiles.name($0))] },
        // The plan is no file.
        adopt: { $0.stage == "plan" ? $0.result : try await adoptRaster($0, files) }),
      JobTypeDefinition(
        name: JobType.createMosaic,
        stages: [
          StageDefinition(
            name: "run", silenceLimit: .seconds(300),
            timeLimit: TimeLimit(base: .seconds(1_800), perByte: .nanoseconds(500)))
        ],
        intends: { [LedgerIntent(kind: ServedFiles.kind, identifier: ServedFiles.name($0))] },
        adopt: { try await adoptOverview($0, files) }),
      JobTypeDefinition(
        name: JobType.generateTileCache,
        stages: [
          StageDefinition(name: "run", silenceLimit: .seconds(300), timeLimit: TimeLimit(base: .seconds(7_200)))
        ],
        intends: { [LedgerIntent(kind: ServedFiles.kind, identifier: ServedFiles.name($0, .tiles))] },
        adopt: { try await adoptTiles($0, files) }),
      JobTypeDefinition(
        name: JobType.mosaicDatasets,
        stages: [
          StageDefinition(name: "run", silenceLimit: .seconds(300), timeLimit: TimeLimit(base: .seconds(3_600)))
        ],
        needsDatabase: true,
        intends: { [LedgerIntent(kind: ServedFiles.kind, identifier: ServedFiles.name($0))] },
        adopt: { try await adoptMosaic($0, files) }),
      JobTypeDefinition(name: JobType.stacCatalogCollection),
      JobTypeDefinition(name: JobType.verify, publishes: true, needsDatabase: true),
    ]
  }

  /// Takes over the raster a task wrote. The intent was committed before the task began: whenever this is cut short, the file
  /// is garbage that the ledger names.
  private static func adoptRaster(_ context: AdoptionContext, _ files: ServedFiles) async throws -> String {
    try JSON.text(await adopt(JSON.decode(ProcessRasterResult.self, from: context.result), context, files))
  }

  private static func adoptOverview(_ context: AdoptionContext, _ files: ServedFiles) async throws -> String {
    var result = try JSON.decode(CreateMosaicResult.self, from: context.result)
    if let overview = result.overview { result.overview = try await adopt(overview, context, files) }
    return try JSON.text(result)
  }

  private static func adoptMosaic(_ context: AdoptionContext, _ files: ServedFiles) async throws -> String {
    var result = try JSON.decode(MosaicDatasetsResult.self, from: context.result)
    // The child is not trusted with names: only files of the builds that are held are served.
    let rows = try await context.transaction.query(
      """
      SELECT l.identifier FROM coremachine.holds h
      JOIN coremachine.ledger l ON l.subject = h.subject AND l.operation_id = h.operation_id
      WHERE h.holder = $1 AND h.holder_operation = $2 AND l.kind = $3 AND l.state <> 'GONE'
      """, [.int64(context.subject), .int64(context.operationID), .text(ServedFiles.kind)])
    let held = Set(try rows.map { try $0.text("identifier") })
    guard !result.scenes.isEmpty, result.scenes.allSatisfy({ held.contains($0.file.file) }) else {
      throw ProblemReport(reason: "INTERNAL", message: "the mosaic has a file that none of its datasets has")
    }
    if let overview = result.mosaic.overview { result.mosaic.overview = try await adopt(overview, context, files) }
    return try JSON.text(result)
  }

  private static let validations: @Sendable (StageInput) throws -> [TaskSpec] = { input in
    let job = try JSON.decode(ValidateRastersParameters.self, from: input.jobParameters)
    return try job.files.map {
      TaskSpec(
        parameters: try JSON.text(ValidateFileParameters(file: $0, crs: job.crs)), inputBytes: $0.pin.size)
    }
  }

  private static let tiles: @Sendable (StageInput) throws -> [TaskSpec] = { input in
    var tile = try JSON.decode(ProcessRasterParameters.self, from: input.jobParameters)
    tile.threads = 1
    return try input.results.flatMap { try JSON.decode(LargeRasterPlan.self, from: $0).tiles }.map {
      tile.window = $0
      return TaskSpec(parameters: try JSON.text(tile), inputBytes: tile.pin.size)
    }
  }

  private static let writings: @Sendable (StageInput) throws -> [TaskSpec] = { input in
    try JSON.decode(ProcessRastersParameters.self, from: input.jobParameters).files.map {
      TaskSpec(parameters: try JSON.text($0), inputBytes: $0.pin.size)
    }
  }

  private static func adoptTiles(_ context: AdoptionContext, _ files: ServedFiles) async throws -> String {
    var result = try JSON.decode(TileCacheResult.self, from: context.result)
    guard result.file == TileCacheFile.scratchName else {
      throw ProblemReport(reason: "INTERNAL", message: "the task left its tiles under another name")
    }
    result.file = try await take(result.file, bytes: result.bytes, .tiles, context, files)
    return try JSON.text(result)
  }

  private static func adopt(
    _ written: ProcessRasterResult, _ context: AdoptionContext, _ files: ServedFiles
  ) async throws -> ProcessRasterResult {
    var result = written
    guard result.file == RasterFile.scratchName else {
      throw ProblemReport(reason: "INTERNAL", message: "the task left its raster under another name")
    }
    result.file = try await take(result.file, bytes: result.bytes, .geoTIFF, context, files)
    return result
  }

  /// A file of the attempt's folder becomes one that is served. Answers its name.
  private static func take(
    _ file: String, bytes written: Int64, _ format: ServedFiles.Format, _ context: AdoptionContext, _ files: ServedFiles
  ) async throws -> String {
    let name = ServedFiles.name(
      AttemptIdentity(
        subject: context.subject, operationID: context.operationID, taskID: context.taskID, attempt: context.attempt),
      format)
    let bytes = try files.take("\(context.scratchDirectory)/\(file)", as: name)
    guard bytes == written else {
      throw ProblemReport(
        reason: "INTERNAL", message: "the file has \(bytes) bytes and the task wrote \(written)")
    }
    _ = try await context.transaction.query(
      "SELECT coremachine.ledger_present($1, $2, $3, $4, $5)",
      [.int64(context.taskID), .int32(context.attempt), .text(ServedFiles.kind), .text(name), .int64(bytes)])
    return name
  }

  /// Takes over the tables a load made: owner, schema `data`, and reading for the data API, in the transaction that is fenced
  /// by the attempt. A table of an earlier attempt under the same name is replaced.
  private static let adoptTables: @Sendable (AdoptionContext) async throws -> String = { context in
    let parameters = try JSON.decode(IngestVectorParameters.self, from: context.parameters)
    let result = try JSON.decode(IngestVectorResult.self, from: context.result)
    guard let staging = context.stagingSchema else {
      throw ProblemReport(reason: "INTERNAL", message: "the load had no staging schema")
    }
    // The child is not trusted with names: only the tables it was told to make are taken.
    let expected = parameters.layers.map(\.table)
    guard result.layers.map(\.table) == expected, expected.allSatisfy(ServedTable.isName) else {
      throw ProblemReport(reason: "INTERNAL", message: "the load made other tables than it was asked for")
    }
    for table in expected {
      let size = try await context.transaction.query(
        "SELECT pg_total_relation_size(c.oid) AS bytes FROM pg_class c WHERE c.oid = to_regclass($1)",
        [.text("\(staging).\(table)")])
      guard let row = size.first else {
        // Where the connection was lost during COMMIT the adoption runs again, and finds what it has done.
        if try await isAdopted(table, context) { continue }
        throw ProblemReport(reason: "INTERNAL", message: "the load reported a table that is not there: \(table)")
      }
      _ = try await context.transaction.query(
        "SELECT coremachine.ledger_present($1, $2, 'table', $3, $4)",
        [
          .int64(context.taskID), .int32(context.attempt), .text(ServedTable.identifier(table)),
          .int64(try row.int64("bytes")),
        ])
      try await context.transaction.execute(
        script: """
          DROP TABLE IF EXISTS data.\(table);
          ALTER TABLE \(staging).\(table) OWNER TO CURRENT_USER;
          ALTER TABLE \(staging).\(table) SET SCHEMA data;
          GRANT SELECT ON data.\(table) TO terrane_dataapi, terrane_task;
          """)
    }
    return context.result
  }

  /// Whether this very attempt's table is in schema `data` already.
  private static func isAdopted(_ table: String, _ context: AdoptionContext) async throws -> Bool {
    let identifier = ServedTable.identifier(table)
    let present = try await context.transaction.query(
      """
      SELECT 1 FROM coremachine.ledger
      WHERE task_id = $1 AND attempt = $2 AND kind = 'table' AND identifier = $3 AND state = 'PRESENT'
        AND to_regclass($3) IS NOT NULL
      """, [.int64(context.taskID), .int32(context.attempt), .text(identifier)])
    return !present.isEmpty
  }
}

/// Names of served tables: `d{pk}_b{build}_t{n}` in schema data.
enum ServedTable {
  static func isName(_ text: String) -> Bool {
    text.wholeMatch(of: /d[0-9]{1,19}_b[0-9]{1,19}_t[0-9]{1,4}/) != nil
  }

  /// As the ledger names it.
  static func identifier(_ table: String) -> String { "data.\(table)" }

  /// The table of a ledger identifier, or nil where it names none of ours.
  static func name(identifier: String) -> String? {
    guard identifier.hasPrefix("data.") else { return nil }
    let name = String(identifier.dropFirst(5))
    return isName(name) ? name : nil
  }
}
