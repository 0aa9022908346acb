import PostgreSQL
import PostgreSQLTesting
import Testing

/// Asks until the answer is true; a test that would wait for ever fails instead.
func eventually(
  within limit: Duration = .seconds(60), _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation,
  _ condition: () async throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + limit
  while try await !condition() {
    guard ContinuousClock.now < deadline else {
      Issue.record(what, sourceLocation: sourceLocation)
      throw CancellationError()
    }
    try await Task.sleep(for: .milliseconds(5))
  }
}

/// The error of a call that must fail with a ``PostgresError``.
func failure<T>(
  sourceLocation: SourceLocation = #_sourceLocation, of body: () async throws -> T
) async throws -> PostgresError {
  do {
    _ = try await body()
  } catch let error as PostgresError {
    return error
  }
  Issue.record("an error was expected", sourceLocation: sourceLocation)
  throw CancellationError()
}

extension PostgresConnection {
  func count(_ table: String) async throws -> Int {
    try await query("SELECT count(*) AS n FROM \(table)").oneRow().int("n")
  }

  /// Waits until another session executes something whose text contains `fragment`.
  func seesRunning(_ fragment: String, by other: PostgresConnection) async throws {
    try await eventually("no session runs \(fragment)") {
      try await !query(
        "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid = $1 AND position($2 IN query) > 0",
        [.int32(other.backendProcessID), .text(fragment)]
      ).isEmpty
    }
  }

  func terminate(_ backend: Int32) async throws {
    try await query("SELECT pg_terminate_backend($1)", [.int32(backend)])
  }
}
