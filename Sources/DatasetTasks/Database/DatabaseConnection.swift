internal import CPostgreSQL
internal import Geospatial
internal import Glibc
internal import JobTypes
internal import TaskProtocol

/// What PostgreSQL refused.
struct DatabaseError: Error {
  var sqlState: String
  var message: String

  /// Lost connections, serialisation failures and servers that are starting or stopping may work next time.
  var isTransient: Bool {
    sqlState.isEmpty || sqlState.hasPrefix("08") || sqlState.hasPrefix("40") || sqlState.hasPrefix("57P")
      || sqlState.hasPrefix("53") || sqlState == "55P03"
  }

  static let uniqueViolation = "23505"

  var problem: ProblemReport {
    let reason: Reason = sqlState == "53100" ? .diskFull : .databaseError
    return ProblemReport(
      reason, "The database refused: \(message)", transient: isTransient,
      details: sqlState.isEmpty ? [:] : ["sqlstate": sqlState])
  }
}

/// One libpq connection of a child: synchronous, one statement at a time, for one thread.
final class DatabaseConnection {
  private let handle: OpaquePointer
  /// Called while a statement runs; throws to cancel it.
  private let whileWaiting: () throws -> Void

  init(_ database: TaskDatabase, whileWaiting: @escaping () throws -> Void) throws(DatabaseError) {
    let pairs: [(String, String)] =
      [
        ("host", database.host), ("port", "\(database.port)"), ("dbname", database.database), ("user", database.user),
        ("password", database.password), ("application_name", database.applicationName), ("connect_timeout", "10"),
        ("client_encoding", "UTF8"),
        ("options", "-c client_connection_check_interval=1000 -c client_min_messages=warning"),
      ] + database.keywords.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    let keys = pairs.map { strdup($0.0) } + [nil]
    let values = pairs.map { strdup($0.1) } + [nil]
    defer { for pointer in keys + values { free(pointer) } }
    let connected = keys.map { UnsafePointer($0) }.withUnsafeBufferPointer { keys in
      values.map { UnsafePointer($0) }.withUnsafeBufferPointer { values in
        PQconnectdbParams(keys.baseAddress, values.baseAddress, 0)
      }
    }
    guard let connected else { throw DatabaseError(sqlState: "", message: "No memory for a connection.") }
    // Before the properties are set: an initialiser that throws with all of them set runs deinit, which closes as well.
    guard PQstatus(connected) == CONNECTION_OK else {
      let message = String(cString: PQerrorMessage(connected))
      PQfinish(connected)
      throw DatabaseError(sqlState: "", message: message)
    }
    handle = connected
    self.whileWaiting = whileWaiting
  }

  deinit { PQfinish(handle) }

  /// An identifier in double quotes.
  static func quoted(_ identifier: String) -> String {
    "\"" + identifier.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }

  /// Runs one statement and returns its rows as text, nil for NULL. While it runs, `whileWaiting` is called at least five
  /// times a second.
  @discardableResult
  func run(_ sql: String, _ parameters: [String] = []) throws -> [[String?]] {
    let copies = parameters.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    let sent = copies.map { UnsafePointer($0) }.withUnsafeBufferPointer {
      PQsendQueryParams(handle, sql, Int32(parameters.count), nil, $0.baseAddress, nil, nil, 0)
    }
    guard sent == 1 else { throw connectionError() }
    return try rows()
  }

  /// Begins a statement without parameters, which the server works on while this thread does something else.
  func start(_ sql: String) throws {
    guard PQsendQueryParams(handle, sql, 0, nil, nil, nil, nil, 0) == 1 else { throw connectionError() }
  }

  /// Waits for the end of what was started.
  func finish() throws { _ = try rows() }

  /// Whether a transaction is open, failed or not.
  var isInTransaction: Bool { PQtransactionStatus(handle) != PQTRANS_IDLE }

  /// The rows of the statement under way, at its end.
  private func rows() throws -> [[String?]] {
    var rows: [[String?]] = []
    var failure: DatabaseError?
    while let result = try nextResult() {
      defer { PQclear(result) }
      switch PQresultStatus(result) {
      case PGRES_TUPLES_OK:
        rows = (0..<PQntuples(result)).map { row in
          (0..<PQnfields(result)).map { column in
            PQgetisnull(result, row, column) == 1 ? nil : String(cString: PQgetvalue(result, row, column))
          }
        }
      case PGRES_COMMAND_OK, PGRES_COPY_IN: break
      default: failure = failure ?? error(of: result)
      }
      if PQresultStatus(result) == PGRES_COPY_IN { return rows }
    }
    if let failure { throw failure }
    return rows
  }

  /// The next result of the statement under way, nil at its end. Waits without blocking for long.
  private func nextResult() throws -> OpaquePointer? {
    while PQisBusy(handle) == 1 {
      var descriptor = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
      _ = poll(&descriptor, 1, 200)
      guard PQconsumeInput(handle) == 1 else { throw connectionError() }
      do { try whileWaiting() } catch {
        cancelStatement()
        throw error
      }
    }
    return PQgetResult(handle)
  }

  /// Asks the server to stop the statement under way; the connection is not used afterwards.
  private func cancelStatement() {
    guard let cancel = PQgetCancel(handle) else { return }
    defer { PQfreeCancel(cancel) }
    var message = [CChar](repeating: 0, count: 256)
    PQcancel(cancel, &message, 256)
  }

  private func error(of result: OpaquePointer) -> DatabaseError {
    let state = PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { String(cString: $0) } ?? ""
    let message = PQresultErrorField(result, Int32(UInt8(ascii: "M"))).map { String(cString: $0) }
    return DatabaseError(sqlState: state, message: message ?? String(cString: PQresultErrorMessage(result)))
  }

  private func connectionError() -> DatabaseError {
    DatabaseError(sqlState: "", message: String(cString: PQerrorMessage(handle)))
  }

  // MARK: COPY

  /// Opens `COPY … FROM STDIN`, lets `body` write, ends it, and returns the rows the server took. Whatever `body` throws
  /// ends the COPY as failed and is thrown on.
  func copy(_ sql: String, _ body: (any RowSink) throws -> Void) throws -> Int64 {
    try run(sql)
    do { try body(Sink(handle: handle)) } catch {
      PQputCopyEnd(handle, "given up")
      while let result = PQgetResult(handle) { PQclear(result) }
      throw error
    }
    guard PQputCopyEnd(handle, nil) == 1 else { throw connectionError() }
    var rows: Int64 = 0
    var failure: DatabaseError?
    while let result = try nextResult() {
      defer { PQclear(result) }
      if PQresultStatus(result) == PGRES_COMMAND_OK {
        rows = Int64(String(cString: PQcmdTuples(result))) ?? 0
      } else {
        failure = failure ?? error(of: result)
      }
    }
    if let failure { throw failure }
    return rows
  }

  private final class Sink: RowSink {
    private let handle: OpaquePointer
    init(handle: OpaquePointer) { self.handle = handle }

    /// libpq takes at most Int32.max at once; pieces also keep its own buffer small.
    private static let piece = 1 << 20

    func write(_ bytes: UnsafeRawBufferPointer) throws {
      var at = 0
      while at < bytes.count {
        let count = min(Self.piece, bytes.count - at)
        let piece = UnsafeRawBufferPointer(rebasing: bytes[at..<(at + count)]).bindMemory(to: CChar.self)
        guard PQputCopyData(handle, piece.baseAddress, Int32(count)) == 1 else {
          throw DatabaseError(sqlState: "", message: String(cString: PQerrorMessage(handle)))
        }
        at += count
      }
    }
  }
}
