/// What went wrong between this process and PostgreSQL, or what PostgreSQL said.
public struct PostgresError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The family a caller decides by. More may be added: treat an unknown one as a failure that is not transient.
  public enum Kind: String, Sendable, Equatable {
    /// The server refused a statement: ``PostgresError/sqlState`` says why.
    case server
    /// The session ended or could not be opened. See ``PostgresError/mayHaveTakenEffect``.
    case connectionLost
    /// The session ended while COMMIT was under way: the transaction is either whole or absent, and only reading tells.
    case commitOutcomeUnknown
    /// The statement ran into a time limit, or no connection came free in time.
    case timeout
    /// The Swift task that waited was cancelled; the statement had no effect unless it was a COMMIT.
    case cancelled
    /// Too much waits already. Nothing was done.
    case overloaded
    /// A value's type is not the one asked for, in a parameter or in a result.
    case typeMismatch
    /// The caller broke a rule of this module (a transaction used after its end, COPY through `query`, …).
    case protocolMisuse
    /// A fail point set by a test.
    case failPoint
  }

  public var kind: Kind
  /// The five characters of SQLSTATE when the server spoke.
  public var sqlState: String?
  public var message: String
  public var detail: String?
  public var hint: String?
  public var schema: String?
  public var table: String?
  public var column: String?
  public var constraint: String?
  /// Where the server was (PL/pgSQL call stack and the like).
  public var context: String?
  /// The SQL text that was running, at most 400 bytes of it.
  public var statement: String?
  /// A lost connection left open whether the statement took effect: it had been sent, outside a transaction block or as
  /// COMMIT.
  public var mayHaveTakenEffect: Bool
  /// The server's C function that raised the error: the only way to tell some errors apart.
  var sourceFunction: String?

  public init(
    _ kind: Kind, _ message: String, sqlState: String? = nil, detail: String? = nil, mayHaveTakenEffect: Bool = false
  ) {
    self.kind = kind
    self.message = message
    self.sqlState = sqlState
    self.detail = detail
    self.mayHaveTakenEffect = mayHaveTakenEffect
  }

  public var description: String {
    var text = "PostgreSQL \(kind.rawValue)"
    if let sqlState { text += " \(sqlState)" }
    text += ": \(message)"
    if let detail { text += " (\(detail))" }
    if let constraint { text += " [constraint \(constraint)]" }
    return text
  }
}

extension PostgresError {
  /// Doing the same again may work: the connection was lost, a deadlock or a serialization failure, a lock or a time limit,
  /// a server that starts or ends, or that has no room. ``Kind/commitOutcomeUnknown`` is not: look first.
  public var isTransient: Bool {
    switch kind {
    case .connectionLost: return !mayHaveTakenEffect
    case .timeout, .overloaded: return true
    case .server:
      guard let sqlState else { return false }
      if sqlState.hasPrefix("08") || sqlState.hasPrefix("53") || sqlState.hasPrefix("40") { return true }
      return ["55P03", "57P01", "57P02", "57P03", "57P05"].contains(sqlState)
    case .commitOutcomeUnknown, .cancelled, .typeMismatch, .protocolMisuse, .failPoint: return false
    }
  }
  public var isUniqueViolation: Bool { sqlState == "23505" }
  public var isForeignKeyViolation: Bool { sqlState == "23503" }
  public var isCheckViolation: Bool { sqlState == "23514" }
  /// The server has no room for what it was to write.
  public var isDiskFull: Bool { sqlState == "53100" }
  public var isSerializationFailure: Bool { sqlState == "40001" }
  public var isDeadlock: Bool { sqlState == "40P01" }
  /// lock_timeout passed, or NOWAIT met a lock.
  public var isLockTimeout: Bool { sqlState == "55P03" }
  /// An error of the session, not of a statement: trying the parts of a failed batch one by one is pointless.
  public var isConnectionFailure: Bool { kind == .connectionLost || kind == .commitOutcomeUnknown }
}
