import CPostgreSQL
import Glibc

/// A connection that libpq has opened and nobody uses yet.
///
/// Sendable: it is made on one thread and handed over once, to the session that drives it from then on.
struct OpenedConnection: @unchecked Sendable {
  let raw: OpaquePointer

  /// Opens a connection, waiting for it.
  static func connect(_ keywords: [(String, String)]) -> Result<OpenedConnection, PostgresError> {
    guard !keywords.contains(where: { $0.0.utf8.contains(0) || $0.1.utf8.contains(0) }) else {
      return .failure(PostgresError(.protocolMisuse, "a connection setting holds a NUL character"))
    }
    var names: [UnsafePointer<CChar>?] = keywords.map { UnsafePointer(strdup($0.0)) }
    var values: [UnsafePointer<CChar>?] = keywords.map { UnsafePointer(strdup($0.1)) }
    defer { for text in names + values { free(UnsafeMutableRawPointer(mutating: text)) } }
    names.append(nil)
    values.append(nil)
    guard let raw = PQconnectdbParams(names, values, 0) else {
      return .failure(PostgresError(.connectionLost, "out of memory"))
    }
    guard PQstatus(raw) == CONNECTION_OK else {
      let message = PQerrorMessage(raw).map { String(cString: $0).trimmed } ?? ""
      PQfinish(raw)
      return .failure(.refusal(message))
    }
    // Notices would go to standard error.
    PQsetNoticeProcessor(raw, { _, _ in }, nil)
    return .success(OpenedConnection(raw: raw))
  }
}

/// The address and key of a session, enough to ask the server to cancel what it does.
///
/// Sendable: libpq documents PQcancel as usable from any thread, and the handle is used once.
struct CancelHandle: @unchecked Sendable {
  let raw: OpaquePointer

  /// Asks and waits until the server has passed it on; whether it helped shows in the statement's own answer.
  func send() {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      _ = PQcancel(raw, buffer.baseAddress, Int32(buffer.count))
    }
    PQfreeCancel(raw)
  }
}

extension PostgresError {
  /// libpq gives no SQLSTATE for a connection that was refused, only the message.
  static func refusal(_ message: String) -> PostgresError {
    let known: [(fragment: String, sqlState: String)] = [
      ("password authentication failed", "28P01"), ("no password supplied", "28P01"), ("no pg_hba.conf entry", "28000"),
      ("is not permitted to log in", "28000"),
    ]
    if let (_, sqlState) = known.first(where: { message.contains($0.fragment) }) {
      return PostgresError(.server, message, sqlState: sqlState)
    }
    if message.contains("does not exist"), message.contains("FATAL") {
      return PostgresError(.server, message, sqlState: message.contains("role \"") ? "28000" : "3D000")
    }
    let busy = ["too many clients", "remaining connection slots", "too many connections"]
    if busy.contains(where: { message.contains($0) }) {
      return PostgresError(.connectionLost, message, sqlState: "53300")
    }
    let away = ["starting up", "shutting down", "in recovery mode", "not yet accepting"]
    if away.contains(where: { message.contains($0) }) {
      return PostgresError(.connectionLost, message, sqlState: "57P03")
    }
    return PostgresError(.connectionLost, message)
  }

  /// An error as a statement's result carries it.
  init(result: OpaquePointer) {
    func field(_ code: Character) -> String? {
      // The codes are ASCII letters (postgres_ext.h).
      guard let ascii = code.asciiValue, let text = PQresultErrorField(result, Int32(ascii)) else { return nil }
      return String(cString: text)
    }
    let whole = PQresultErrorMessage(result).map { String(cString: $0).trimmed } ?? ""
    self.init(.server, field("M") ?? whole, sqlState: field("C"), detail: field("D"))
    hint = field("H")
    schema = field("s")
    table = field("t")
    column = field("c")
    constraint = field("n")
    context = field("W")
    sourceFunction = field("R")
    // Without SQLSTATE libpq itself speaks: the connection broke.
    if sqlState == nil { kind = .connectionLost }
  }

  static func isFatal(_ result: OpaquePointer) -> Bool {
    guard let severity = PQresultErrorField(result, Int32(UInt8(ascii: "V"))) else {
      return PQresultErrorField(result, Int32(UInt8(ascii: "C"))) == nil
    }
    return ["FATAL", "PANIC"].contains(String(cString: severity))
  }

  /// A prepared statement of ours that the server no longer has, or whose result changed shape.
  var meansStaleStatement: Bool {
    sqlState == "26000" || (sqlState == "0A000" && sourceFunction == "RevalidateCachedQuery")
  }
}
