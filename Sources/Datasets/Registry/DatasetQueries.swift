internal import PostgreSQL

/// The reads that answers and moves are made of.
enum DatasetQueries {
  /// Records by row key; one that does not exist is absent.
  ///
  /// - Parameter knownSpecs: specs by their stored text, which need no parsing.
  static func records(
    pks: [Int64], knownSpecs: [String: DatasetSpec] = [:], on session: some PostgresSession
  ) async throws -> [Int64: DatasetRecord] {
    guard !pks.isEmpty else { return [:] }
    let rows = try await session.query(
      "SELECT \(DatasetRecord.columns) FROM datasets.records WHERE pk = ANY ($1)", [.int64Array(pks)])
    var records: [Int64: DatasetRecord] = [:]
    for row in rows.rows {
      let record = try DatasetRecord(row.reader(), knownSpecs: knownSpecs)
      records[record.pk] = record
    }
    return records
  }

  static func record(pk: Int64, on session: some PostgresSession) async throws -> DatasetRecord {
    guard let record = try await records(pks: [pk], on: session)[pk] else {
      throw Problem(.datasetNotFound, "the dataset is gone")
    }
    return record
  }

  /// Which lives of a key count.
  enum Lives: String {
    /// Those that hold the identity.
    case living = "('PURGING', 'PURGED')"
    /// Also one whose purge is under way.
    case notPurged = "('PURGED')"
    case all = "('')"
  }

  /// The newest life of a key among `lives`. One that holds the identity is always the newest.
  static func newest(_ key: DatasetKey, _ lives: Lives, on session: some PostgresSession) async throws -> DatasetRecord?
  {
    let rows = try await session.query(
      """
      SELECT \(DatasetRecord.columns) FROM datasets.records
      WHERE key = $1 AND state NOT IN \(lives.rawValue) ORDER BY generation DESC LIMIT 1
      """, [.bytea(key.bytes)])
    return try rows.rows.first.map { try DatasetRecord($0.reader()) }
  }

  /// As `newest`, or `DATASET_NOT_FOUND`.
  static func existing(_ key: DatasetKey, _ lives: Lives = .notPurged, on session: some PostgresSession) async throws
    -> DatasetRecord
  {
    guard let record = try await newest(key, lives, on: session) else {
      throw Problem(.datasetNotFound, "there is no dataset with key \(key)", details: ["dataset_key": "\(key)"])
    }
    return record
  }

  /// The mosaics that hold a build of a dataset; `living`: not those that are deleted.
  static func dependents(
    of pk: Int64, living: Bool, on session: some PostgresSession
  ) async throws -> [(identity: DatasetIdentity, state: DatasetState)] {
    let rows = try await session.query("SELECT * FROM datasets.dependents($1, $2)", [.int64(pk), .bool(living)])
    return try rows.map { row in
      let identity = try DatasetIdentity(
        namespace: row.text("namespace"), datasetID: row.text("dataset_id"), resourceID: row.text("resource_id"),
        versionID: row.text("version_id"))
      return (identity, DatasetState(rawValue: try row.text("state")) ?? .published)
    }
  }

  /// Datasets below a row key, newest first.
  static func page(_ page: ListPage, on session: some PostgresSession) async throws -> [DatasetRecord] {
    let rows = try await session.query(
      """
      SELECT \(DatasetRecord.columns) FROM datasets.records
      WHERE pk < $1 AND ($2 = '' OR namespace = $2) AND ($3 = '' OR dataset_id = $3)
        AND ($4 OR state NOT IN ('DELETED', 'PURGING', 'PURGED')) AND ($6::text[] IS NULL OR namespace = ANY ($6))
      ORDER BY pk DESC LIMIT $5
      """,
      [
        .int64(page.before), .text(page.namespace), .text(page.datasetID), .bool(page.showDeleted),
        .int64(Int64(page.limit)), page.namespaces.map { .textArray($0) } ?? .null,
      ])
    return try rows.rows.map { try DatasetRecord($0.reader()) }
  }
}

/// Which datasets a list shows.
public struct ListPage: Sendable {
  /// Only rows with a smaller pk; `Int64.max` for the first page.
  public var before: Int64
  public var limit: Int
  /// Empty: every namespace in `namespaces`.
  public var namespace: String
  public var datasetID: String
  public var showDeleted: Bool
  /// The namespaces the caller may read; nil: all.
  public var namespaces: [String]?

  public init(
    before: Int64 = .max, limit: Int, namespace: String = "", datasetID: String = "", showDeleted: Bool = false,
    namespaces: [String]? = nil
  ) {
    self.before = before
    self.limit = limit
    self.namespace = namespace
    self.datasetID = datasetID
    self.showDeleted = showDeleted
    self.namespaces = namespaces
  }
}
