import Foundation
import PostgreSQL
import PostgreSQLTesting
import Testing

@Suite(.timeLimit(.minutes(2))) struct FailPointTests {
  /// Runs a transaction of two statements in a process with fail points; says what it left behind.
  private func rowsLeft(by failPoints: String, exit: ExitTest.Condition) async throws -> Int {
    let cluster = try await TestCluster.shared()
    let settings = try await cluster.freshDatabase()
    let observer = try await PostgresConnection.connect(settings, on: cluster.thread)
    try await observer.execute(script: "CREATE TABLE t (n int)")
    let address = [settings.host, settings.database, settings.user, settings.password ?? "", failPoints]
    await #expect(processExitsWith: exit) { [address = address as [String]] in
      setenv("TERRANE_FAILPOINT", address[4], 1)
      let settings = ConnectionSettings(
        host: address[0], database: address[1], user: address[2], password: address[3])
      let connection = try await PostgresConnection.connect(settings, on: DatabaseThread())
      do {
        try await connection.transaction(TransactionOptions(failPoints: "publish")) { transaction in
          try await transaction.query("INSERT INTO t VALUES (1)")
          try await transaction.query("INSERT INTO t VALUES (2)")
        }
      } catch let error as PostgresError where error.kind == .failPoint { _exit(3) }
    }
    try await eventually("the killed process's session stayed") {
      try await observer.query(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
      ).isEmpty
    }
    return try await observer.count("t")
  }

  @Test func `A process killed before any statement or before COMMIT leaves nothing`() async throws {
    #expect(try await rowsLeft(by: "publish.statement.1=kill", exit: .signal(SIGKILL)) == 0)
    #expect(try await rowsLeft(by: "publish.statement.2=kill", exit: .signal(SIGKILL)) == 0)
    #expect(try await rowsLeft(by: "other=kill,publish.commit=kill", exit: .signal(SIGKILL)) == 0)
  }

  @Test func `A process killed after COMMIT leaves everything`() async throws {
    #expect(try await rowsLeft(by: "publish.committed=kill", exit: .signal(SIGKILL)) == 2)
  }

  @Test func `An error at a fail point rolls back, and a later arrival is not reached`() async throws {
    #expect(try await rowsLeft(by: "publish.statement.2=error", exit: .exitCode(3)) == 0)
    #expect(try await rowsLeft(by: "publish.statement.2:2=error", exit: .success) == 2)
  }
}
