import Synchronization

/// Up to `size` sessions, opened when they are needed and lent to one task at a time, first come first served. A session that
/// has ended is replaced; while the server is away a borrower tries again, with growing pauses, for `patience`, and then
/// gets the last error.
public final class ConnectionPool: Sendable {
  public let settings: ConnectionSettings
  public let size: Int
  public let thread: DatabaseThread
  private let patience: Duration
  private let state = Mutex(State())

  private typealias Waiter = CheckedContinuation<PostgresConnection?, any Error>
  private struct State {
    var idle: [PostgresConnection] = []
    /// Sessions lent or being opened.
    var lent = 0
    var waiters: [(identifier: UInt64, continuation: Waiter)] = []
    var nextIdentifier: UInt64 = 0
    var cancelled: Set<UInt64> = []
    var closed = false
  }

  /// - Parameter patience: how long a borrower keeps trying to open a session.
  public init(_ settings: ConnectionSettings, size: Int, thread: DatabaseThread, patience: Duration = .seconds(5)) {
    precondition(size > 0, "a pool of no connections")
    self.settings = settings
    self.size = size
    self.thread = thread
    self.patience = patience
  }

  /// Lends a session to `body`.
  public nonisolated(nonsending) func withConnection<T: Sendable>(
    _ body: (PostgresConnection) async throws -> T
  ) async throws -> T {
    let connection = try await borrow()
    do {
      let value = try await body(connection)
      giveBack(connection)
      return value
    } catch {
      giveBack(connection)
      throw error
    }
  }

  /// Runs `body` in a transaction on a session of the pool: see ``PostgresConnection/transaction(_:_:)``.
  public nonisolated(nonsending) func transaction<T: Sendable>(
    _ options: TransactionOptions = .standard, _ body: (PostgresTransaction) async throws -> T
  ) async throws -> T {
    let connection = try await borrow()
    do {
      let value = try await connection.transaction(options, body)
      giveBack(connection)
      return value
    } catch {
      giveBack(connection)
      throw error
    }
  }

  /// Runs one statement on a session of the pool.
  @discardableResult
  public func query(_ sql: String, _ parameters: [PGValue] = []) async throws -> PGResult {
    let connection = try await borrow()
    defer { giveBack(connection) }
    return try await connection.query(sql, parameters)
  }

  /// Closes idle sessions now and lent ones when they come back; whoever waits or asks later gets an error.
  public func close() {
    let (idle, waiters) = state.withLock { state in
      state.closed = true
      let taken = (state.idle, state.waiters)
      state.idle = []
      state.waiters = []
      return taken
    }
    for connection in idle { connection.close() }
    for waiter in waiters { waiter.continuation.resume(throwing: Self.closedError) }
  }

  private static let closedError = PostgresError(.protocolMisuse, "the connection pool is closed")

  // MARK: Lending

  private enum Turn {
    case take(PostgresConnection)
    case open
    case wait
    case refuse(PostgresError)
  }

  private func borrow() async throws -> PostgresConnection {
    let turn = state.withLock { state -> Turn in
      if state.closed { return .refuse(Self.closedError) }
      // A session that ended while idle is simply not there any more.
      state.idle.removeAll { !$0.isOpen }
      if let connection = state.idle.popLast() {
        state.lent += 1
        return .take(connection)
      }
      guard state.lent < size else { return .wait }
      state.lent += 1
      return .open
    }
    switch turn {
    case .take(let connection): return connection
    case .refuse(let error): throw error
    case .open: return try await openForBorrower()
    case .wait:
      // nil: the right to open a session was handed over, not a session.
      if let connection = try await waitForTurn() { return connection }
      return try await openForBorrower()
    }
  }

  private func waitForTurn() async throws -> PostgresConnection? {
    let identifier = state.withLock { state in
      state.nextIdentifier += 1
      return state.nextIdentifier
    }
    // A cancellation that found nobody waiting any more has left its mark.
    defer { state.withLock { _ = $0.cancelled.remove(identifier) } }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: Waiter) in
        let immediate = state.withLock { state -> Result<PostgresConnection?, any Error>? in
          if state.cancelled.remove(identifier) != nil { return .failure(PostgresError.cancelledBeforeSending) }
          if state.closed { return .failure(Self.closedError) }
          // Something may have come back since the turn was decided.
          if let connection = state.idle.popLast() {
            state.lent += 1
            return .success(connection)
          }
          if state.lent < size {
            state.lent += 1
            return .success(nil)
          }
          state.waiters.append((identifier, continuation))
          return nil
        }
        if let immediate { continuation.resume(with: immediate) }
      }
    } onCancel: {
      let waiter = state.withLock { state -> Waiter? in
        guard let index = state.waiters.firstIndex(where: { $0.identifier == identifier }) else {
          state.cancelled.insert(identifier)
          return nil
        }
        return state.waiters.remove(at: index).continuation
      }
      waiter?.resume(throwing: PostgresError.cancelledBeforeSending)
    }
  }

  private func openForBorrower() async throws -> PostgresConnection {
    do {
      return try await PostgresConnection.connect(settings, on: thread, patience: patience)
    } catch {
      giveBackTurn(nil)
      throw error
    }
  }

  private func giveBack(_ connection: PostgresConnection) { giveBackTurn(connection.isOpen ? connection : nil) }

  private func giveBackTurn(_ connection: PostgresConnection?) {
    let (waiter, surplus) = state.withLock { state -> (Waiter?, PostgresConnection?) in
      if !state.waiters.isEmpty { return (state.waiters.removeFirst().continuation, nil) }
      state.lent -= 1
      guard let connection else { return (nil, nil) }
      if state.closed { return (nil, connection) }
      state.idle.append(connection)
      return (nil, nil)
    }
    surplus?.close()
    waiter?.resume(returning: connection)
  }
}

extension PostgresConnection {
  /// Opens a session, trying again with growing pauses while the server is away, for `patience` at most. A refusal that will
  /// not change (password, no such database) is thrown at once.
  public static func connect(
    _ settings: ConnectionSettings, on thread: DatabaseThread, patience: Duration
  ) async throws -> PostgresConnection {
    var backoff = Backoff()
    let deadline = ContinuousClock.now + patience
    while true {
      do throws(PostgresError) {
        return try await connect(settings, on: thread)
      } catch {
        let pause = backoff.next()
        guard error.isTransient, ContinuousClock.now + pause < deadline else { throw error }
        try await Task.sleep(for: pause)
      }
    }
  }
}
