internal import Geospatial
internal import JobTypes
internal import TaskProtocol

/// `ingest_vector`: loads layers into tables of the attempt's staging schema.
enum IngestVectorHandler: TaskHandler {
  static let version: Int32 = 1

  static func run(_ context: TaskContext) throws -> String {
    let parameters = try context.parameters(IngestVectorParameters.self)
    guard let database = context.assignment.database, let schema = context.assignment.stagingSchema else {
      throw ProblemReport(.parametersInvalid, "ingest_vector needs a database and a staging schema.")
    }
    let reporter = context.reporter
    try reporter.progress("open", unit: "steps", done: 0, total: 1, message: "Opening the source")
    let source = try VectorSource(SourceAddress(parameters.source, allowedRoots: context.assignment.allowedRoots))
    guard SourcePin(source.files) == parameters.pin else {
      throw GeospatialError(.sourceChanged, "The source is not as it was when it was probed.")
    }
    let connection = try DatabaseConnection(database) { try reporter.alive() }
    let digest = SourceDigest(source.files)
    defer { digest.stop() }
    let loads = TableLoads(source: source, parameters: parameters, schema: schema, database: database, context: context)
    let loaded: [IngestedLayer]
    do { loaded = try loads.run(connection) } catch let error as GeospatialError {
      // What somebody writes to meanwhile may be read as anything.
      try source.files.requireUnchanged()
      throw error
    }
    let sha256 = try digest.value { try reporter.alive() }
    try source.files.requireUnchanged()
    let result = IngestVectorResult(
      sourceSHA256: sha256, layers: loaded, versions: .current,
      storedBytes: try storedBytes(parameters, schema, connection))
    return try JSONText.encode(result)
  }

  private static func storedBytes(
    _ parameters: IngestVectorParameters, _ schema: String, _ connection: DatabaseConnection
  ) throws -> Int64 {
    try parameters.layers.reduce(0) { sum, layer in
      let name = DatabaseConnection.quoted(schema) + "." + DatabaseConnection.quoted(layer.table)
      let rows = try connection.run("SELECT pg_total_relation_size($1::regclass)", [name])
      return sum + (rows.first?.first.flatMap { $0 }.flatMap(Int64.init) ?? 0)
    }
  }
}
