import PostgreSQL
import PostgreSQLTesting
import Testing

@Suite struct TransactionTests {
  private func table() async throws -> PostgresConnection {
    let connection = try await TestCluster.shared().freshConnection()
    try await connection.execute(script: "CREATE TABLE t (n int PRIMARY KEY)")
    return connection
  }
  private struct Refusal: Error {}

  @Test func `A transaction is committed when its body returns and rolled back when it throws`() async throws {
    let connection = try await table()
    let value = try await connection.transaction { transaction in
      try await transaction.query("INSERT INTO t VALUES (1)")
      return try await transaction.query("SELECT count(*) AS n FROM t").oneRow().int("n")
    }
    #expect(value == 1)
    await #expect(throws: Refusal.self) {
      try await connection.transaction { transaction in
        try await transaction.query("INSERT INTO t VALUES (2)")
        throw Refusal()
      }
    }
    #expect(try await connection.count("t") == 1)
  }

  @Test func `A failed statement that the body swallows still fails the commit`() async throws {
    let connection = try await table()
    let error = try await failure {
      try await connection.transaction { transaction in
        try await transaction.query("INSERT INTO t VALUES (1)")
        _ = try? await transaction.query("INSERT INTO t VALUES (1)")
      }
    }
    #expect(error.sqlState == "25P02")
    #expect(try await connection.count("t") == 0)
  }

  @Test func `Others wait until the transaction has ended`() async throws {
    let connection = try await table()
    let other = try await connection.transaction { transaction in
      try await transaction.query("INSERT INTO t VALUES (1)")
      let other = Task { try await connection.count("t") }
      try await transaction.query("INSERT INTO t VALUES (2)")
      return other
    }
    #expect(try await other.value == 2)
  }

  @Test func `A pipeline is one transaction`() async throws {
    let connection = try await table()
    let results = try await connection.pipeline([
      "INSERT INTO t VALUES (1)", PostgresStatement("INSERT INTO t VALUES ($1)", [2]), "SELECT n FROM t ORDER BY n",
    ])
    #expect(try results[2].map { try $0.int("n") } == [1, 2])
    let error = try await failure {
      try await connection.pipeline([
        "INSERT INTO t VALUES (3)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (4)",
      ])
    }
    #expect(error.isUniqueViolation)
    #expect(error.statement == "INSERT INTO t VALUES (1)")
    let mismatch = try await failure {
      try await connection.pipeline([
        "INSERT INTO t VALUES (5)", PostgresStatement("INSERT INTO t VALUES ($1)", [.bool(true)]),
      ])
    }
    #expect(mismatch.kind == .typeMismatch)
    #expect(try await connection.count("t") == 2)
  }

  @Test func `Scripts run inside a transaction, and may not end it`() async throws {
    let connection = try await table()
    try await connection.transaction { transaction in
      try await transaction.execute(script: "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)")
      try await transaction.query("INSERT INTO t VALUES (3)")
    }
    let error = try await failure {
      try await connection.transaction { try await $0.execute(script: "INSERT INTO t VALUES (4); ROLLBACK") }
    }
    #expect(error.kind == .protocolMisuse)
    #expect(try await connection.count("t") == 3)
  }

  @Test func `Options reach the server`() async throws {
    let connection = try await table()
    let error = try await failure {
      try await connection.transaction(TransactionOptions(readOnly: true)) {
        try await $0.query("INSERT INTO t VALUES (1)")
      }
    }
    #expect(error.sqlState == "25006")
    let level = try await connection.transaction(TransactionOptions(isolation: .repeatableRead)) {
      try await $0.query("SELECT current_setting('transaction_isolation') AS level").oneRow().text("level")
    }
    #expect(level == "repeatable read")
  }

  @Test func `A transaction that has ended refuses statements`() async throws {
    let connection = try await table()
    let escaped = try await connection.transaction { transaction in transaction }
    #expect(try await failure { try await escaped.query("SELECT 1") }.kind == .protocolMisuse)
  }

  @Test func `A bare BEGIN does not leak into other requests`() async throws {
    let connection = try await table()
    #expect(try await failure { try await connection.query("BEGIN") }.kind == .protocolMisuse)
    #expect(!connection.isOpen)
  }

  @Test func `A cancelled task's transaction is rolled back and the session is free`() async throws {
    let connection = try await table()
    let observer = try await TestCluster.shared().freshConnection()
    let task = Task {
      try await failure {
        try await connection.transaction { transaction in
          try await transaction.query("INSERT INTO t VALUES (1)")
          try await transaction.query("SELECT pg_sleep(3600) AS sleep_in_transaction")
        }
      }
    }
    try await observer.seesRunning("sleep_in_transaction", by: connection)
    task.cancel()
    #expect(try await task.value.kind == .cancelled)
    #expect(try await connection.count("t") == 0)
  }
}
