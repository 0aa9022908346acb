internal import PostgreSQL

/// Anything a statement can be run on.
protocol PostgresSession: Sendable {
  func query(_ sql: String, _ parameters: [PGValue]) async throws -> PGResult
}

extension ConnectionPool: PostgresSession {}
extension PostgresTransaction: PostgresSession {}
