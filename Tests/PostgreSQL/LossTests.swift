import PostgreSQL
import PostgreSQLTesting
import Testing

@Suite struct LossTests {
  @Test func `A statement whose session is ended fails as a lost connection that may have taken effect`() async throws {
    let cluster = try await TestCluster.shared()
    let connection = try await cluster.freshConnection()
    let observer = try await cluster.freshConnection()
    let sleeper = Task { try await failure { try await connection.query("SELECT pg_sleep(3600) AS doomed_sleep") } }
    try await observer.seesRunning("doomed_sleep", by: connection)
    try await observer.terminate(connection.backendProcessID)
    let error = try await sleeper.value
    #expect(error.kind == .connectionLost)
    #expect(error.sqlState == "57P01")
    #expect(error.mayHaveTakenEffect)
    #expect(!connection.isOpen)
    let later = try await failure { try await connection.query("SELECT 1") }
    #expect(later.kind == .connectionLost)
    #expect(!later.mayHaveTakenEffect)
  }

  @Test func `A transaction lost before COMMIT has had no effect, and says so`() async throws {
    let cluster = try await TestCluster.shared()
    let connection = try await cluster.freshConnection()
    let observer = try await cluster.freshConnection()
    let error = try await failure {
      try await connection.transaction { transaction in
        try await transaction.query("SELECT 1")
        try await observer.terminate(connection.backendProcessID)
        try await transaction.query("SELECT 2")
      }
    }
    #expect(error.kind == .connectionLost)
    #expect(!error.mayHaveTakenEffect)
    #expect(error.isTransient)
  }

  @Test func `A session lost during COMMIT leaves the outcome unknown`() async throws {
    let cluster = try await TestCluster.shared()
    let settings = try await cluster.freshDatabase()
    let connection = try await PostgresConnection.connect(settings, on: cluster.thread)
    let observer = try await PostgresConnection.connect(settings, on: cluster.thread)
    try await connection.execute(
      script: """
        CREATE TABLE t (n int);
        CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN PERFORM pg_sleep(3600); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION linger();
        """)
    let committing = Task {
      try await failure {
        try await connection.transaction { try await $0.query("INSERT INTO t VALUES (1)") }
      }
    }
    try await observer.seesRunning("COMMIT", by: connection)
    try await observer.terminate(connection.backendProcessID)
    let error = try await committing.value
    #expect(error.kind == .commitOutcomeUnknown)
    #expect(error.mayHaveTakenEffect)
    #expect(!error.isTransient)
  }

  @Test func `A pool replaces sessions that were ended while idle`() async throws {
    let cluster = try await TestCluster.shared()
    let settings = try await cluster.freshDatabase()
    let pool = ConnectionPool(settings, size: 2, thread: cluster.thread)
    let observer = try await PostgresConnection.connect(settings, on: cluster.thread)
    let backend = try await pool.withConnection { $0.backendProcessID }
    try await observer.terminate(backend)
    try await eventually("the pool kept the dead session") {
      (try? await pool.query("SELECT 1 AS n").oneRow().int("n")) == 1
    }
    #expect(try await pool.withConnection { $0.backendProcessID } != backend)
    pool.close()
    #expect(try await failure { try await pool.query("SELECT 1") }.kind == .protocolMisuse)
  }

  @Test func `A pool lends no more sessions than it has, first come first served`() async throws {
    let cluster = try await TestCluster.shared()
    let pool = ConnectionPool(
      try await cluster.freshDatabase().named("small pool"), size: 3, thread: cluster.thread)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<100 {
        group.addTask { _ = try await pool.transaction { try await $0.query("SELECT 1") } }
      }
      try await group.waitForAll()
    }
    let sessions = try await pool.query(
      "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'small pool'")
    #expect(try sessions.oneRow().int("n") <= 3)
    pool.close()
  }

  @Test func `A borrower that gives up leaves its place to others`() async throws {
    let cluster = try await TestCluster.shared()
    let pool = ConnectionPool(try await cluster.freshDatabase(), size: 1, thread: cluster.thread)
    try await pool.withConnection { _ in
      let waiting = Task { try await failure { try await pool.query("SELECT 1") } }
      waiting.cancel()
      let error = try await waiting.value
      #expect(error.kind == .cancelled)
    }
    #expect(try await pool.query("SELECT 1 AS n").oneRow().int("n") == 1)
    pool.close()
  }
}
