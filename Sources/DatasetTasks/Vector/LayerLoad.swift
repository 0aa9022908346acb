internal import Geospatial
internal import JobTypes
internal import TaskProtocol

/// The load of one layer into one table: afterwards the table is whole, indexed and counted, or the attempt fails, and its
/// schema goes.
struct LayerLoad {
  let layer: VectorLayer
  let wanted: IngestLayer
  let parameters: IngestVectorParameters
  let schema: String
  let connection: DatabaseConnection
  /// For a second index beside the first; nil: another table is loaded beside this one, and the processors are taken.
  let beside: TaskDatabase?
  let progress: TableProgress

  private var table: String { DatabaseConnection.quoted(schema) + "." + DatabaseConnection.quoted(wanted.table) }

  func run(_ warnings: inout WarningTally) throws -> IngestedLayer {
    let family = GeometryFamily(rawValue: wanted.layer.geometryType)
    guard family != nil || wanted.layer.geometryType.isEmpty,
      let origin = CRSOrigin(rawValue: wanted.layer.crsOrigin)
    else { throw ProblemReport(.parametersInvalid, "The probed layer is not one this version can load.") }
    var plan = LoadPlan(
      family: family, families: (wanted.layer.geometryTypes ?? []).compactMap(GeometryFamily.init(rawValue:)),
      crs: wanted.layer.crs, crsOrigin: origin,
      recognisedTypes: Dictionary(
        wanted.layer.columns.map { ($0.name, $0.sqlType) }, uniquingKeysWith: { first, _ in first }),
      nullGeometries: LoadPlan.NullGeometries(rawValue: parameters.nullGeometries.rawValue) ?? .drop,
      maximumRejects: parameters.maxRejects)
    let before = warnings
    do {
      return try attempt(plan, &warnings)
    } catch let error where Self.asksForNumbers(error) {
      // The source's ids are no key: load again with the ordinal. Rare, and cheaper than watching every id.
      plan.numbersRows = true
      warnings = before
      try connection.run("DROP TABLE IF EXISTS \(table)")
      warnings.add(.fidReplaced, layer: layer.name, detail: "the source's feature ids are missing or not unique")
      return try attempt(plan, &warnings)
    }
  }

  private static func asksForNumbers(_ error: any Error) -> Bool {
    error is FeatureIDMissing || (error as? DatabaseError)?.sqlState == DatabaseError.uniqueViolation
  }

  private func attempt(_ plan: LoadPlan, _ warnings: inout WarningTally) throws -> IngestedLayer {
    let loader = try VectorLoader(layer, plan: plan)
    try connection.run("BEGIN")
    do {
      let ingested = try load(loader, plan, &warnings)
      if connection.isInTransaction { try connection.run("COMMIT") }
      return ingested
    } catch {
      // After a cancelled statement the connection is of no more use; the server rolls back when it closes.
      if !(error is TaskCancelled), connection.isInTransaction { _ = try? connection.run("ROLLBACK") }
      throw error
    }
  }

  private func load(_ loader: VectorLoader, _ plan: LoadPlan, _ warnings: inout WarningTally) throws -> IngestedLayer {
    let columns = loader.columns.map { "\(DatabaseConnection.quoted($0.name)) \($0.kind.sqlType)" }
    let geometry = plan.family.map { ["geom public.geometry(\($0.typeName), 4326)"] } ?? []
    let definition = (["fid bigint NOT NULL"] + columns + geometry)
      .joined(separator: ", ")
    try connection.run(Self.indexMemory)
    try connection.run("CREATE TABLE \(table) (\(definition))")
    let started = TaskReporter.now()
    var result = LoadResult()
    var tally = warnings
    let copied: Int64
    do {
      copied = try connection.copy("COPY \(table) FROM STDIN (FORMAT binary, FREEZE)") { sink in
        result = try loader.run(into: sink, warnings: &tally) { rows, soFar in
          try progress.read(rows)
          if rows & 0x3FFF == 0 { progress.report(soFar) }
        }
      }
    } catch let error as GeospatialError {
      // What was found up to the record that was one too many is what its user needs.
      progress.report(tally)
      throw error
    }
    warnings = tally
    progress.report(warnings)
    try progress.read(result.read)
    let loadedAt = TaskReporter.now()
    try compareCounts(result, plan, copied: copied, &warnings)
    try progress.indexed(0)
    try index(rows: result.stored, hasGeometry: plan.family != nil)
    try progress.indexed(2)
    let indexedAt = TaskReporter.now()
    try connection.run("ANALYZE \(table)")
    let survey = try TableSurvey.run(
      table: table, schema: schema, name: wanted.table, loader.columns, hasGeometry: plan.family != nil, connection)
    let (rows, withGeometry) = (survey.rows, survey.withGeometry)
    guard rows == result.stored, withGeometry == result.withGeometry else {
      throw countMismatch(
        "\(result.stored) rows with \(result.withGeometry) geometries were sent; the table has \(rows) with "
          + "\(withGeometry).")
    }
    let endedAt = TaskReporter.now()
    let counts = IngestCounts(
      source: result.read - result.elsewhere, read: result.read - result.elsewhere,
      shared: result.guests == 0 ? nil : result.guests, loaded: rows, withGeometry: withGeometry,
      dropped: Dictionary(uniqueKeysWithValues: result.dropped.map { ($0.key.rawValue, $0.value) }),
      rejected: result.rejected, repaired: result.repaired, splitAtAntimeridian: result.split,
      dimensionsDropped: result.dimensionsDropped,
      renamedColumns: plan.family == plan.families.first
        ? Int64(loader.columns.count { $0.name != $0.sourceName }) : 0)
    return IngestedLayer(
      name: wanted.layer.name, table: wanted.table, collectionID: wanted.layer.collectionID, title: wanted.title,
      geometryType: plan.family?.typeName ?? "", counts: counts, bbox: result.box.array,
      columns: zip(loader.columns, survey.columns).map { ColumnSchema($0, statistics: $1) },
      sourceCRS: wanted.layer.crs,
      seconds: [
        "load": Double(loadedAt - started) / 1_000, "index": Double(indexedAt - loadedAt) / 1_000,
        "analyze": Double(endedAt - indexedAt) / 1_000,
      ])
  }

  private static let indexMemory = "SET maintenance_work_mem = '256MB'"
  /// From here on two indexes at a time pay for another connection and another commit.
  static let manyRows: Int64 = 50_000

  /// Primary key and spatial index. The second is computed on one processor whatever PostgreSQL is allowed, so the two are made
  /// side by side where there is much to do. For that the rows are committed before: nobody looks at the attempt's schema until
  /// the attempt has succeeded.
  private func index(rows: Int64, hasGeometry: Bool) throws {
    let key = DatabaseConnection.quoted("\(wanted.table)_pkey")
    let unique = "CREATE UNIQUE INDEX \(key) ON \(table) (fid)"
    let spatial = "CREATE INDEX ON \(table) USING gist (geom)"
    if !hasGeometry {
      try connection.run(unique)
    } else if rows >= Self.manyRows, let beside {
      try connection.run("COMMIT")
      let beside = try DatabaseConnection(beside) { try progress.alive() }
      try beside.run(Self.indexMemory)
      // Each has a processor; workers of the one would take the other's.
      try beside.run("SET max_parallel_maintenance_workers = 0")
      try beside.start(unique)
      try connection.run(spatial)
      try beside.finish()
    } else {
      try connection.run(unique)
      try connection.run(spatial)
    }
    try connection.run("ALTER TABLE \(table) ADD CONSTRAINT \(key) PRIMARY KEY USING INDEX \(key)")
  }

  /// Announced, read and taken by the server must agree; a reader that ends early without a word is caught here.
  private func compareCounts(
    _ result: LoadResult, _ plan: LoadPlan, copied: Int64, _ warnings: inout WarningTally
  ) throws {
    let announced = wanted.layer.featureCount
    if result.read != announced {
      guard layer.countStoredRows() == result.read else {
        throw countMismatch("The source announced \(announced) features; \(result.read) were read.")
      }
      warnings.add(
        .readerRemark, layer: layer.name,
        detail: "the file's own notes say \(announced) features; its table has \(result.read)")
    }
    guard copied == result.stored else {
      throw countMismatch("\(result.stored) rows were sent; the database took \(copied).")
    }
    guard result.stored > 0 || plan.families.count > 1 else {
      throw GeospatialError(.noFeatures, "No feature of the layer could be stored.", layer: layer.name)
    }
  }

  private func countMismatch(_ message: String) -> GeospatialError {
    GeospatialError(.countMismatch, message, layer: layer.name)
  }
}
