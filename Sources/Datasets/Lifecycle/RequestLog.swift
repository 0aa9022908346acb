internal import PostgreSQL

/// Who asks, and under which request id.
public struct Caller: Sendable {
  /// The principal's URI.
  public var principal: String
  /// 16 bytes, where the call has one.
  public var requestID: [UInt8]?
  /// SHA-256 of the request's canonical encoding.
  public var bodyHash: [UInt8]
  /// The namespaces it may work in; nil: all.
  public var namespaces: [String]?

  public init(
    principal: String, requestID: [UInt8]? = nil, bodyHash: [UInt8] = [], namespaces: [String]? = nil
  ) {
    self.namespaces = namespaces
    self.principal = principal
    self.requestID = requestID
    self.bodyHash = bodyHash
  }

  /// Whether it may be told of a dataset of a namespace.
  public func sees(_ namespace: String) -> Bool { namespaces?.contains(namespace) ?? true }
}

/// Request ids: the row is written in the transaction that has the effect, so a crash leaves both or neither.
enum RequestLog {
  enum Entry {
    /// This transaction runs the request; `record` must be called before it commits.
    case run
    /// It was run before; the dataset it answered with.
    case replay(datasetPK: Int64, created: Bool)
  }

  /// Takes the request id for this transaction. Waits for another transaction that runs it at the moment.
  static func enter(_ caller: Caller, method: String, _ transaction: PostgresTransaction) async throws -> Entry {
    guard let id = caller.requestID else { return .run }
    let won = try await transaction.query(
      """
      INSERT INTO datasets.requests (principal, method, request_id, body_sha256) VALUES ($1, $2, $3, $4)
      ON CONFLICT DO NOTHING RETURNING 1
      """, [.text(caller.principal), .text(method), .bytea(id), .bytea(caller.bodyHash)])
    if !won.rows.isEmpty { return .run }
    let row = try await transaction.query(
      "SELECT body_sha256, dataset_pk, created FROM datasets.requests WHERE principal = $1 AND method = $2 AND request_id = $3",
      [.text(caller.principal), .text(method), .bytea(id)]
    ).rows.first
    guard let row, try row.bytes("body_sha256") == caller.bodyHash, let pk = try row.optionalInt64("dataset_pk") else {
      throw reused
    }
    return .replay(datasetPK: pk, created: try row.bool("created"))
  }

  /// Keeps what the request answered.
  static func record(
    _ caller: Caller, method: String, datasetPK: Int64, created: Bool, _ transaction: PostgresTransaction
  ) async throws {
    guard let id = caller.requestID else { return }
    _ = try await transaction.query(
      "UPDATE datasets.requests SET dataset_pk = $4, created = $5 WHERE principal = $1 AND method = $2 AND request_id = $3",
      [.text(caller.principal), .text(method), .bytea(id), .int64(datasetPK), .bool(created)])
  }

  static var reused: Problem {
    Problem(.requestIDReused, "this request id was used before with another request", field: "request_id")
  }
}
