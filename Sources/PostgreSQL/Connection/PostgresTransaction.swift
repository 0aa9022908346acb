import Synchronization

/// A transaction that is open on a connection, for as long as the closure it was given to runs.
public final class PostgresTransaction: Sendable {
  private let session: Session
  private let owner: UInt64
  private let failPoints: String?
  private let progress = Mutex(Progress())

  private struct Progress {
    var ended = false
    var statements = 0
  }

  private init(session: Session, owner: UInt64, failPoints: String?) {
    self.session = session
    self.owner = owner
    self.failPoints = failPoints
  }

  static func begin(on session: Session, _ options: TransactionOptions) async throws(PostgresError)
    -> PostgresTransaction
  {
    let owner = try await session.acquire(begin: options.begin)
    return PostgresTransaction(session: session, owner: owner, failPoints: options.failPoints)
  }

  /// Runs one statement.
  @discardableResult
  public func query(_ sql: String, _ parameters: [PGValue] = []) async throws(PostgresError) -> PGResult {
    try reach(count: 1)
    return try await session.run([PostgresStatement(sql, parameters)], owner: owner)[0]
  }

  /// Runs several statements in one round trip (once they are prepared).
  public func pipeline(_ statements: [PostgresStatement]) async throws(PostgresError) -> [PGResult] {
    try reach(count: statements.count)
    return try await session.run(statements, owner: owner)
  }

  /// Runs a script of many statements with the simple protocol. It must leave the transaction open.
  public func execute(script: String) async throws(PostgresError) {
    try reach(count: 1)
    try await session.execute(script: script, owner: owner)
  }

  /// Sends rows with `COPY … FROM STDIN`. Returns the number of rows.
  @discardableResult
  public nonisolated(nonsending) func copy(
    _ sql: String, _ body: (CopyWriter) async throws -> Void
  ) async throws -> Int {
    try reach(count: 1)
    return try await CopyWriter.run(sql, on: session, owner: owner, body)
  }

  /// Runs the last statements and COMMIT in one round trip. Nothing may be run in the transaction afterwards.
  public func commit(after statements: [PostgresStatement]) async throws(PostgresError) -> [PGResult] {
    try reach(count: statements.count)
    try reachPoint("commit")
    let results = try await session.run(statements, owner: owner, commits: true)
    progress.withLock { $0.ended = true }
    try reachPoint("committed")
    return results
  }

  /// Commits unless ``commit(after:)`` has.
  func commit() async throws(PostgresError) {
    if progress.withLock({ $0.ended }) {
      await session.release(owner: owner)
      return
    }
    do throws(PostgresError) {
      try reachPoint("commit")
      progress.withLock { $0.ended = true }
      try await session.commit(owner: owner)
    } catch {
      await session.release(owner: owner)
      throw error
    }
    await session.release(owner: owner)
    try reachPoint("committed")
  }

  /// Rolls back whatever is open; the session is free afterwards.
  func rollback() async {
    progress.withLock { $0.ended = true }
    await session.release(owner: owner)
  }

  private func reach(count: Int) throws(PostgresError) {
    let before = progress.withLock { state -> Int? in
      guard !state.ended else { return nil }
      state.statements += count
      return state.statements - count
    }
    guard let before else { throw PostgresError(.protocolMisuse, "the transaction has ended") }
    guard failPoints != nil, FailPoint.isActive else { return }
    for number in 0..<count { try reachPoint("statement.\(before + number + 1)") }
  }

  private func reachPoint(_ point: String) throws(PostgresError) {
    guard let failPoints, FailPoint.isActive else { return }
    try FailPoint.reach("\(failPoints).\(point)")
  }
}
