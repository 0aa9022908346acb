internal import PostgreSQL

/// One CreateDataset waiting for the next commit.
struct CreateRow: Sendable {
  var identity: DatasetIdentity
  var key: DatasetKey
  var spec: String
  /// What `spec` says.
  var specValue: DatasetSpec
  var firstParameters: String
  var type: DatasetSpec.DatasetType
  var principal: String
  /// 16 bytes, where the caller gave one.
  var requestID: [UInt8]?
  var bodyHash: [UInt8]

  /// Roughly what it holds in memory, for the limit on waiting bytes.
  var byteCount: Int { spec.utf8.count + firstParameters.utf8.count + 512 }
}

/// What became of a row in its batch.
enum CreateOutcome: Sendable {
  /// `made`: by this very row, rather than by an earlier call whose request id it repeats.
  case answered(DatasetRecord, created: Bool, made: Bool)
  /// The dataset exists in a state, or with a body, that a transaction of its own has to look at.
  case undecided
  case requestIDReused
}

enum CreateBatch {
  /// Runs a batch in one call and reads its records back: two round trips for up to 256 creates.
  static func perform(_ transaction: PostgresTransaction, _ rows: [CreateRow]) async throws
    -> [Result<CreateOutcome, any Error>]
  {
    let answers = try await transaction.query(
      "SELECT ord, dataset_pk, created, decided, request_id_reused, made FROM datasets.create_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
      [
        .byteaArray(rows.map(\.key.bytes)), .textArray(rows.map(\.identity.namespace)),
        .textArray(rows.map(\.identity.datasetID)), .textArray(rows.map(\.identity.resourceID)),
        .textArray(rows.map(\.identity.versionID)), .textArray(rows.map(\.type.rawValue)),
        .textArray(rows.map(\.spec)), .textArray(rows.map(\.firstParameters)), .textArray(rows.map(\.principal)),
        .byteaArray(rows.map(\.requestID)), .byteaArray(rows.map(\.bodyHash)),
      ])
    var pks: Set<Int64> = []
    for row in answers.rows { if let pk = try row.optionalInt64("dataset_pk") { pks.insert(pk) } }
    // Most records carry the very spec their request did: it is not parsed again.
    let specs = Dictionary(rows.map { ($0.spec, $0.specValue) }, uniquingKeysWith: { first, _ in first })
    let records = try await DatasetQueries.records(pks: Array(pks), knownSpecs: specs, on: transaction)
    return try answers.rows.map { row in
      if try row.bool("request_id_reused") { return .success(.requestIDReused) }
      guard try row.bool("decided"), let pk = try row.optionalInt64("dataset_pk"), let record = records[pk] else {
        return .success(.undecided)
      }
      return .success(.answered(record, created: try row.bool("created"), made: try row.bool("made")))
    }
  }
}
