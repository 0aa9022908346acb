import CLibpq
import Foundation
import Glibc

/// A plain libpq session.
///
/// Unchecked: used by one thread at a time; `receive` hands it to its own thread for good.
final class Session: @unchecked Sendable {
  private let connection: OpaquePointer

  init(_ database: String) throws {
    guard let made = PQconnectdb(database), PQstatus(made) == CONNECTION_OK else {
      throw Failed("no connection to PostgreSQL")
    }
    connection = made
  }

  /// Runs a statement; the first value of its first row, if it has one.
  @discardableResult
  func run(_ sql: String) throws -> String {
    let result = PQexec(connection, sql)
    defer { PQclear(result) }
    switch PQresultStatus(result) {
    case PGRES_COMMAND_OK: return ""
    case PGRES_TUPLES_OK: return PQntuples(result) > 0 ? String(cString: PQgetvalue(result, 0, 0)) : ""
    default: throw Failed("\(sql): \(String(cString: PQerrorMessage(connection)))")
    }
  }

  /// Runs a statement in a transaction; when COMMIT was sent, and when it was answered.
  func commit(_ sql: String) throws -> (sent: Int64, answered: Int64) {
    try run("BEGIN")
    try run(sql)
    let sent = Clock.steady()
    try run("COMMIT")
    return (sent, Clock.steady())
  }

  /// Hands on the channel of every notification, on a thread of its own.
  func receive(_ take: @escaping @Sendable (_ channel: String) -> Void) {
    Thread.detachNewThread { [self] in
      while true {
        var descriptor = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
        guard poll(&descriptor, 1, -1) > 0, PQconsumeInput(connection) == 1 else { return }
        while let notification = PQnotifies(connection) {
          let channel = String(cString: notification.pointee.relname)
          PQfreemem(notification)
          take(channel)
        }
      }
    }
  }
}
