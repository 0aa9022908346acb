import CoreMachine
@testable public import Datasets
public import Foundation
import Logging
public import PostgreSQL
import PostgreSQLTesting

/// One database with the whole schema for all tests of a process; each test makes datasets with ids of its own.
public final class TestDatasets: Sendable {
  /// As a superuser: to set up what no call can.
  public let administrator: ConnectionPool
  /// As terrane_server, with what its role may do.
  public let pool: ConnectionPool
  public let registry: DatasetRegistry
  public let settings: ConnectionSettings
  /// A folder for the tests' files; gone with the process.
  public let folder: String

  /// Seconds from delete to purge.
  public static let retention: Int64 = 7 * 86_400

  private static let starting = Task { try await TestDatasets() }

  /// The database, installed on the first call.
  public static func shared() async throws -> TestDatasets { try await starting.value }

  private init() async throws {
    let cluster = try await TestCluster.shared()
    folder =
      URL(fileURLWithPath: cluster.cluster.configuration.dataDirectory).deletingLastPathComponent().path + "/files"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let superuser = try await cluster.freshDatabase()
    let administrator = try await PostgresConnection.connect(superuser, on: cluster.thread)
    var logger = Logger(label: "test-datasets")
    logger.logLevel = .critical
    let installer = DatabaseInstaller(
      sqlFolder: Self.repository.appendingPathComponent("sql").path, pgstacFile: try Self.pgstacFile(), slots: 1,
      version: "test")
    let logins = try await installer.install(on: administrator, logger: logger)
    // What CoreMachine.start() does.
    for type in DatasetJobs.definitions(files: ServedFiles(root: "/nowhere")) {
      _ = try await administrator.query(
        "INSERT INTO coremachine.job_types (job_type, handler_version, first_stage, stage_count) VALUES ($1, $2, $3, $4)",
        [
          .text(type.name), .int32(Int32(type.handlerVersion)), .text(type.stages[0].name),
          .int32(Int32(type.stages.count)),
        ])
    }
    administrator.close()
    settings = cluster.cluster.settings(
      database: superuser.database, user: DatabaseInstaller.serverRole, password: logins.server)
    self.administrator = ConnectionPool(superuser, size: 4, thread: cluster.thread)
    pool = ConnectionPool(settings, size: 8, thread: cluster.thread)
    registry = DatasetRegistry(
      writers: CommitLanes(settings, thread: cluster.thread), pool: pool, retention: Self.retention,
      clock: { "2026-01-02T03:04:05Z" })
  }

  /// The root of the source tree.
  public static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  struct NoPgstac: Error, CustomStringConvertible {
    let description = "pgstac's SQL is not in .setup/venv; run make setup"
  }

  private static func pgstacFile() throws -> String {
    let libraries = repository.appendingPathComponent(".setup/venv/lib").path
    for version in try FileManager.default.contentsOfDirectory(atPath: libraries) {
      let file = "\(libraries)/\(version)/site-packages/pypgstac/migrations/pgstac.0.10.0.sql"
      if FileManager.default.fileExists(atPath: file) { return file }
    }
    throw NoPgstac()
  }

  /// An identity nobody else uses.
  public static func identity(
    _ name: String = #function, namespace: String = "default", version: String = "v1"
  ) throws -> DatasetIdentity {
    let letters = name.filter { $0.isASCII && ($0.isLetter || $0.isNumber) }.prefix(60)
    let unique = UUID().uuidString.prefix(8)
    return try DatasetIdentity(
      namespace: namespace, datasetID: "\(letters)-\(unique)", resourceID: "r", versionID: version)
  }

  public static func spec(title: String = "", url: String = "file:///data/a.gpkg") -> DatasetSpec {
    DatasetSpec(
      type: .vector, source: DatasetSpec.VectorSource(url: url), metadata: DatasetSpec.Metadata(title: title),
      options: DatasetSpec.VectorOptions())
  }

  /// Somebody, with a request id or without.
  public static func caller(
    _ principal: String = "terrane:principal:mara", requestID: [UInt8]? = nil, body: String = ""
  )
    -> Caller
  {
    Caller(principal: principal, requestID: requestID, bodyHash: SHA256Digest.of(Array(body.utf8)))
  }

  public static func requestID() -> [UInt8] { (0..<16).map { _ in UInt8.random(in: .min ... .max) } }

  // MARK: Reading what calls do not answer

  /// How many rows a query finds.
  public func count(_ sql: String, _ parameters: [PGValue] = []) async throws -> Int64 {
    try await administrator.query("SELECT count(*) AS n FROM (\(sql)) q", parameters).oneRow().int64("n")
  }

  /// The first column of every row, as text.
  public func texts(_ sql: String, _ parameters: [PGValue] = []) async throws -> [String] {
    try await administrator.query("SELECT (q.*)::text AS t FROM (\(sql)) q", parameters).map { try $0.text("t") }
  }

  /// Routes that are served of a dataset, as rows without their own ids.
  public func routes(_ pk: Int64) async throws -> [String] {
    try await texts(
      """
      SELECT r.namespace, r.dataset_id, r.resource_id, r.version_id, r.build, r.kind, r.title, r.bbox, r.stac_collection,
        r.stac_item, r.published_at, c.collection_id, c.table_name, c.feature_count
      FROM serving.routes r LEFT JOIN serving.collections c USING (dataset_pk, build)
      WHERE r.dataset_pk = $1 AND r.preview_token_sha256 IS NULL ORDER BY c.position
      """, [.int64(pk)])
  }

  /// STAC items of an identity.
  public func items(_ identity: DatasetIdentity) async throws -> Int64 {
    try await count(
      "SELECT 1 FROM pgstac.items WHERE collection = $1 AND id = $2",
      [.text(identity.stacCollection), .text(identity.stacItem)])
  }

  /// Runs the purge duty to its end.
  public func finishPurge(_ pk: Int64) async throws {
    let duties = DatasetDuties(pool: pool, retention: Self.retention)
    try await collectGarbage(of: pk)
    if try await duties.purge(datasetPK: pk) { return }
    try await collectGarbage(of: pk)
    _ = try await duties.purge(datasetPK: pk)
  }

  /// What the engine's garbage collection does with doomed tables.
  public func collectGarbage(of pk: Int64) async throws {
    try await pool.transaction { transaction in
      let rows = try await transaction.query(
        "SELECT ledger_id, identifier FROM coremachine.ledger WHERE subject = $1 AND state = 'DOOMED'", [.int64(pk)])
      for row in rows {
        try await transaction.execute(script: "DROP TABLE \(try row.text("identifier"))")
        _ = try await transaction.query(
          "SELECT coremachine.ledger_collected(ARRAY[$1::bigint], ARRAY[NULL::text])",
          [.int64(try row.int64("ledger_id"))])
      }
    }
  }

  public func moves(_ pk: Int64) async throws -> [String] {
    try await texts(
      "SELECT move || ' ' || coalesce(from_state, '-') || ' ' || to_state FROM datasets.events WHERE dataset_pk = $1 ORDER BY event_id",
      [.int64(pk)]
    ).map { $0.trimmingCharacters(in: CharacterSet(charactersIn: "()\"")) }
  }
}
