import PostgreSQL
import PostgreSQLTesting
import Testing

@Suite struct MigrationTests {
  private func connect() async throws -> PostgresConnection { try await TestCluster.shared().freshConnection() }
  private static let first = Migrations.Migration(
    number: 1, name: "first", sql: "CREATE TABLE a (n int); INSERT INTO a VALUES (1)")
  private static let second = Migrations.Migration(number: 5, name: "second", sql: "CREATE TABLE b (n int)")

  @Test func `Each migration runs once, in order`() async throws {
    let connection = try await connect()
    let migrations = try Migrations([Self.second, Self.first])
    #expect(try await migrations.newestApplied(on: connection) == 0)
    #expect(try await migrations.apply(on: connection).map(\.number) == [1, 5])
    #expect(try await migrations.apply(on: connection).isEmpty)
    #expect(try await connection.count("a") == 1)
    #expect(try await migrations.newestApplied(on: connection) == 5)
  }

  @Test func `Two processes that migrate at once apply each migration once`() async throws {
    let cluster = try await TestCluster.shared()
    let settings = try await cluster.freshDatabase()
    let migrations = try Migrations([Self.first, Self.second])
    let applied = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<5 {
        group.addTask {
          let connection = try await PostgresConnection.connect(settings, on: cluster.thread)
          return try await migrations.apply(on: connection).count
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(applied == 2)
  }

  @Test func `A failing migration leaves nothing, and those before it stay`() async throws {
    let connection = try await connect()
    let bad = Migrations.Migration(number: 7, name: "bad", sql: "CREATE TABLE c (n int); SELECT 1/0")
    let migrations = try Migrations([Self.first, bad])
    let error = await #expect(throws: MigrationError.self) { try await migrations.apply(on: connection) }
    guard case .failed(7, "bad", let cause) = error else {
      Issue.record("unexpected \(String(describing: error))")
      return
    }
    #expect(cause.sqlState == "22012")
    #expect(try await connection.query("SELECT to_regclass('c')::text AS c").oneRow().optionalText("c") == nil)
    #expect(try await connection.count("a") == 1)
    let ends = Migrations.Migration(number: 7, name: "ends", sql: "CREATE TABLE c (n int); COMMIT")
    await #expect(throws: MigrationError.self) { try await Migrations([Self.first, ends]).apply(on: connection) }
  }

  @Test func `Edited, missing, late and unknown migrations are refused`() async throws {
    let connection = try await connect()
    _ = try await Migrations([Self.first, Self.second], program: "tests 2").apply(on: connection)
    var edited = Self.first
    edited.sql += " "
    await #expect(throws: MigrationError.edited(number: 1, name: "first")) {
      try await Migrations([edited, Self.second]).apply(on: connection)
    }
    await #expect(throws: MigrationError.missing(number: 1, name: "first")) {
      try await Migrations([Self.second]).apply(on: connection)
    }
    await #expect(throws: MigrationError.newerThanKnown(number: 5, name: "second", by: "tests 2", known: "0001_first"))
    {
      try await Migrations([Self.first]).apply(on: connection)
    }
    let late = Migrations.Migration(number: 3, name: "late", sql: "SELECT 1")
    await #expect(throws: MigrationError.outOfOrder(number: 3, name: "late")) {
      try await Migrations([Self.first, late, Self.second]).apply(on: connection)
    }
    #expect(throws: MigrationError.badName("0001_first.sql")) { try Migrations([Self.first, Self.first]) }
  }
}
