/// One statement with its parameters.
public struct PostgresStatement: Sendable, ExpressibleByStringLiteral {
  public var sql: String
  public var parameters: [PGValue]

  public init(_ sql: String, _ parameters: [PGValue] = []) {
    self.sql = sql
    self.parameters = parameters
  }
  public init(stringLiteral value: String) { self.init(value) }
}

/// How a transaction begins.
public struct TransactionOptions: Sendable {
  public enum Isolation: String, Sendable {
    case readCommitted = "READ COMMITTED"
    case repeatableRead = "REPEATABLE READ"
    case serializable = "SERIALIZABLE"
  }
  public var isolation: Isolation?
  public var readOnly: Bool
  /// Test-only: names the fail points of this transaction, `<name>.statement.<k>` before its k-th statement is sent (from
  /// 1), `<name>.commit` before COMMIT, `<name>.committed` once the server has answered it. See ``FailPoint``.
  public var failPoints: String?

  public init(isolation: Isolation? = nil, readOnly: Bool = false, failPoints: String? = nil) {
    self.isolation = isolation
    self.readOnly = readOnly
    self.failPoints = failPoints
  }
  public static let standard = TransactionOptions()

  var begin: String {
    var sql = "BEGIN"
    if let isolation { sql += " ISOLATION LEVEL \(isolation.rawValue)" }
    if readOnly { sql += " READ ONLY" }
    return sql
  }
}

/// A session with the server. Any task may use it; requests run one after another in the order they came, and while a
/// transaction is open everybody else's wait for its end. Cancelling a waiting task cancels its statement on the server.
///
/// A statement is prepared on its first use in a session and found by its text from then on, so its text must not hold
/// values. Parameters are converted to the types the server inferred for `$1…`; results come in binary.
public final class PostgresConnection: Sendable {
  let session: Session

  init(session: Session) { self.session = session }
  deinit { session.close() }

  /// Opens a session. The wait (name lookup, password hashing) is spent on a short-lived thread, not on `thread`.
  public static func connect(
    _ settings: ConnectionSettings, on thread: DatabaseThread
  ) async throws(PostgresError) -> PostgresConnection {
    PostgresConnection(session: try await Session.open(settings, on: thread))
  }

  /// Runs one statement, outside a transaction block.
  @discardableResult
  public func query(_ sql: String, _ parameters: [PGValue] = []) async throws(PostgresError) -> PGResult {
    try await session.run([PostgresStatement(sql, parameters)], owner: nil)[0]
  }

  /// Runs a script of many statements with the simple protocol: no parameters, no results. Outside a transaction the server
  /// treats the whole script as one transaction, unless it says BEGIN or COMMIT itself.
  public func execute(script: String) async throws(PostgresError) {
    try await session.execute(script: script, owner: nil)
  }

  /// Runs several statements as one transaction in one round trip (once they are prepared).
  public func pipeline(_ statements: [PostgresStatement]) async throws -> [PGResult] {
    try await transaction { transaction in try await transaction.commit(after: statements) }
  }

  /// Runs `body` in a transaction: committed when it returns, rolled back when it throws. BEGIN travels with the first
  /// statement; a body that sends nothing costs no round trip. Inside `body` use the transaction, never the connection: its
  /// requests would wait for the transaction's end.
  public nonisolated(nonsending) func transaction<T: Sendable>(
    _ options: TransactionOptions = .standard, _ body: (PostgresTransaction) async throws -> T
  ) async throws -> T {
    let transaction = try await PostgresTransaction.begin(on: session, options)
    let value: T
    do { value = try await body(transaction) } catch {
      await transaction.rollback()
      throw error
    }
    try await transaction.commit()
    return value
  }

  /// Sends rows with `COPY … FROM STDIN`: `sql` is that statement, `body` writes its data. Returns the number of rows.
  @discardableResult
  public nonisolated(nonsending) func copy(
    _ sql: String, _ body: (CopyWriter) async throws -> Void
  ) async throws -> Int {
    try await CopyWriter.run(sql, on: session, owner: nil, body)
  }

  /// Ends the session; requests under way fail with ``PostgresError/Kind/connectionLost``.
  public func close() { session.close() }

  /// False once the session has ended, for whatever reason.
  public var isOpen: Bool { session.isOpen }

  /// The server process that serves this session, for pg_terminate_backend.
  public var backendProcessID: Int32 { session.backendProcessID }
}
