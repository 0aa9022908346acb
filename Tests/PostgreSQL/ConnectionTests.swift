import PostgreSQL
import PostgreSQLTesting
import Testing

@Suite struct ConnectionTests {
  private func connect() async throws -> PostgresConnection { try await TestCluster.shared().freshConnection() }

  @Test func `An error of the server carries its SQLSTATE and what it is about`() async throws {
    let connection = try await connect()
    try await connection.execute(script: "CREATE TABLE t (n int CONSTRAINT only_one PRIMARY KEY)")
    try await connection.query("INSERT INTO t VALUES ($1)", [1])
    let error = try await failure { try await connection.query("INSERT INTO t VALUES ($1)", [1]) }
    #expect(error.isUniqueViolation)
    #expect(error.constraint == "only_one")
    #expect(error.table == "t")
    #expect(!error.isTransient)
    let syntax = try await failure { try await connection.query("SELEKT 1") }
    #expect(syntax.sqlState == "42601")
    #expect(try await connection.query("SELECT 1 AS n").oneRow().int("n") == 1)
  }

  @Test func `Many tasks share a session, each with its own answer`() async throws {
    let connection = try await connect()
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 0..<200 {
        group.addTask {
          let row = try await connection.query("SELECT $1::int AS n", [.int64(Int64(number))]).oneRow()
          return try row.int("n") == number
        }
      }
      for try await right in group { #expect(right) }
    }
  }

  @Test func `More statements than the cache holds still work`() async throws {
    let connection = try await connect()
    for number in 0..<300 {
      #expect(try await connection.query("SELECT \(number) AS n").oneRow().int("n") == number)
    }
    let prepared = try await connection.query("SELECT count(*) AS n FROM pg_prepared_statements").oneRow().int("n")
    #expect(prepared <= 257)
    #expect(try await connection.query("SELECT 0 AS n").oneRow().int("n") == 0)
  }

  @Test func `A statement whose table changed shape is prepared anew`() async throws {
    let connection = try await connect()
    try await connection.execute(script: "CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    #expect(try await connection.query("SELECT * FROM t").columns == ["a"])
    try await connection.execute(script: "ALTER TABLE t ADD b text DEFAULT 'x'")
    #expect(try await connection.query("SELECT * FROM t").columns == ["a", "b"])
    try await connection.execute(script: "DEALLOCATE ALL")
    #expect(try await connection.query("SELECT * FROM t").columns == ["a", "b"])
  }

  @Test func `A cancelled task cancels its statement, and the session goes on`() async throws {
    let connection = try await connect()
    let observer = try await connect()
    let sleeper = Task { try await failure { try await connection.query("SELECT pg_sleep(3600) AS cancelled_sleep") } }
    try await observer.seesRunning("cancelled_sleep", by: connection)
    sleeper.cancel()
    #expect(try await sleeper.value.kind == .cancelled)
    #expect(try await connection.query("SELECT 1 AS n").oneRow().int("n") == 1)
  }

  @Test func `Cancelling a request that waits its turn leaves the one under way alone`() async throws {
    let cluster = try await TestCluster.shared()
    let settings = try await cluster.freshDatabase()
    let holder = try await PostgresConnection.connect(settings, on: cluster.thread)
    let connection = try await PostgresConnection.connect(settings, on: cluster.thread)
    try await holder.query("SELECT pg_advisory_lock(77)")
    let blocked = Task { try await connection.query("SELECT pg_advisory_lock(77), 'blocked_one' AS mark") }
    try await holder.seesRunning("blocked_one", by: connection)
    let waiting = Task { try await failure { try await connection.query("SELECT 'never sent'") } }
    waiting.cancel()
    #expect(try await waiting.value.kind == .cancelled)
    try await holder.query("SELECT pg_advisory_unlock(77)")
    #expect(try await blocked.value.count == 1)
  }

  @Test func `Time limits of statements and locks are told apart`() async throws {
    let cluster = try await TestCluster.shared()
    let settings = try await cluster.freshDatabase()
    let limited = try await PostgresConnection.connect(
      settings.statementTimeout(.milliseconds(50)), on: cluster.thread)
    let slow = try await failure { try await limited.query("SELECT pg_sleep(60)") }
    #expect(slow.kind == .timeout)
    #expect(slow.isTransient)

    let holder = try await PostgresConnection.connect(settings, on: cluster.thread)
    let asker = try await PostgresConnection.connect(settings.lockTimeout(.milliseconds(50)), on: cluster.thread)
    try await holder.query("SELECT pg_advisory_lock(1)")
    let locked = try await failure { try await asker.query("SELECT pg_advisory_lock(1)") }
    #expect(locked.isLockTimeout)
    #expect(locked.isTransient)
  }

  @Test func `A wrong password and a missing database are refusals, a missing server is a lost connection`()
    async throws
  {
    let cluster = try await TestCluster.shared()
    var settings = try await cluster.freshDatabase()
    let right = settings
    settings.password = "wrong"
    #expect(
      try await failure { try await PostgresConnection.connect(settings, on: cluster.thread, patience: .seconds(30)) }
        .sqlState == "28P01")
    settings = right
    settings.database = "no_such_database"
    #expect(
      try await failure { try await PostgresConnection.connect(settings, on: cluster.thread) }.sqlState == "3D000")
    settings = right
    settings.host = "/nonexistent"
    let away = try await failure { try await PostgresConnection.connect(settings, on: cluster.thread) }
    #expect(away.kind == .connectionLost)
    #expect(away.isTransient)
  }

  @Test func `A large result and a large parameter pass whole`() async throws {
    let connection = try await connect()
    let blob = (0..<8_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let row = try await connection.query("SELECT $1::bytea AS blob, octet_length($1::bytea) AS size", [.bytea(blob)])
      .oneRow()
    #expect(try row.int("size") == blob.count)
    #expect(try row.bytes("blob") == blob)
    let many = try await connection.query("SELECT n, repeat('x', 100) AS pad FROM generate_series(1, 100000) AS n")
    #expect(many.count == 100_000)
    #expect(try many[99_999].int("n") == 100_000)
  }

  @Test func `COPY through a query is refused, and through copy it loads`() async throws {
    let connection = try await connect()
    try await connection.execute(script: "CREATE TABLE t (n int, word text)")
    let copied = try await connection.copy("COPY t FROM STDIN") { writer in
      for chunk in 0..<50 {
        let lines = (0..<1000).map { "\(chunk * 1000 + $0)\tword \($0)\n" }.joined()
        try await writer.write(Array(lines.utf8))
      }
    }
    #expect(copied == 50_000)
    #expect(try await connection.count("t") == 50_000)
    let bad = try await failure {
      try await connection.copy("COPY t FROM STDIN") { try await $0.write(Array("not a number\tx\n".utf8)) }
    }
    #expect(bad.sqlState == "22P02")
    let observer = try await connect()
    let early = try await failure {
      try await connection.copy("COPY t FROM STDIN") { writer in
        try await writer.write(Array("not a number\tx\n".utf8))
        // The server has refused, and its answer is here before the data ends.
        try await eventually("the server did not answer") {
          try await !observer.query(
            "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'idle'", [.int32(connection.backendProcessID)]
          ).isEmpty
        }
      }
    }
    #expect(early.sqlState == "22P02")
    struct Given: Error {}
    await #expect(throws: Given.self) {
      try await connection.copy("COPY t FROM STDIN") { writer in
        try await writer.write(Array("1\tx\n".utf8))
        throw Given()
      }
    }
    #expect(try await connection.count("t") == 50_000)
    #expect(try await failure { try await connection.query("COPY t FROM STDIN") }.kind == .protocolMisuse)
    #expect(!connection.isOpen)
  }
}
