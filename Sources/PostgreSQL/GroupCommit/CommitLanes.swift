/// The write connections that every ``GroupCommit`` of a process shares (two: while one waits for its commit, the other
/// executes; a third gained nothing on two cores). A lane that comes free takes the next kind of row that waits.
public final class CommitLanes: Sendable {
  public let thread: DatabaseThread
  let scheduler: LaneScheduler

  /// - Parameters:
  ///   - lockTimeout: how long a statement of a batch may wait for a lock.
  ///   - patience: how long a batch waits for a lost connection to come back before its rows are refused.
  public init(
    _ settings: ConnectionSettings, count: Int = 2, thread: DatabaseThread, lockTimeout: Duration = .seconds(2),
    patience: Duration = .seconds(1)
  ) {
    precondition(count > 0, "no write connections")
    self.thread = thread
    scheduler = LaneScheduler(settings.lockTimeout(lockTimeout), count: count, thread: thread, patience: patience)
  }

  /// Opens the connections now rather than with the first batch.
  public func connect() async throws { try await scheduler.connectAll() }

  /// Closes the connections. Rows that wait or come later are refused.
  public func close() async { await scheduler.close() }
}

/// Rows of one kind that wait to be committed, as the lanes see them. Called on the database thread.
protocol BatchSource: AnyObject, Sendable {
  /// Whether rows wait that the lanes have been told of.
  var hasWaitingRows: Bool { get }
  /// The next rows, or nil when nothing waits.
  func takeBatch() -> (any Batch)?
  /// Refuses everything that waits.
  func refuseAll(_ error: PostgresError)
}

/// Rows that are to be committed together. Called on the database thread.
protocol Batch: Sendable {
  /// Runs the rows; returns what hands out the replies.
  func run(on connection: PostgresConnection) async -> @Sendable () -> Void
  func refuse(_ error: PostgresError)
}

/// Gives batches to free lanes. Lives on the database thread.
actor LaneScheduler {
  private let settings: ConnectionSettings
  private let thread: DatabaseThread
  private let patience: Duration
  private var lanes: [Lane]
  private var waiting: [any BatchSource] = []
  private var closed = false

  private struct Lane {
    var connection: PostgresConnection?
    var busy = false
  }

  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  init(_ settings: ConnectionSettings, count: Int, thread: DatabaseThread, patience: Duration) {
    self.settings = settings
    self.thread = thread
    self.patience = patience
    lanes = Array(repeating: Lane(), count: count)
  }

  func connectAll() async throws {
    for index in lanes.indices where !lanes[index].busy {
      lanes[index].busy = true
      defer { freed(index) }
      _ = try await connection(of: index)
    }
  }

  func close() {
    closed = true
    for index in lanes.indices {
      lanes[index].connection?.close()
      lanes[index].connection = nil
    }
    let refused = waiting
    waiting = []
    for source in refused { source.refuseAll(Self.closedError) }
  }

  static let closedError = PostgresError(.connectionLost, "the write connections are closed")

  /// Rows of `source` wait: a free lane takes them, else they go with the next one.
  func wake(_ source: any BatchSource) {
    if closed { return source.refuseAll(Self.closedError) }
    if !waiting.contains(where: { $0 === source }) { waiting.append(source) }
    if let free = lanes.firstIndex(where: { !$0.busy }) { startNext(on: free) }
  }

  /// Starts the next batch on a free lane; its first statement is on its way when this returns, if the lane is connected.
  private func startNext(on index: Int) {
    while !waiting.isEmpty, !closed {
      let source = waiting.removeFirst()
      guard let batch = source.takeBatch() else { continue }
      // More of the same may wait than one batch takes; the others' turn comes first.
      if source.hasWaitingRows { waiting.append(source) }
      lanes[index].busy = true
      Task(executorPreference: thread) { await self.run(batch, on: index) }
      return
    }
  }

  private func run(_ batch: any Batch, on index: Int) async {
    let connection: PostgresConnection
    do {
      connection = try await self.connection(of: index)
    } catch {
      let refusal = error as? PostgresError ?? PostgresError(.connectionLost, "\(error)")
      batch.refuse(refusal)
      return freed(index)
    }
    let reply = await batch.run(on: connection)
    freed(index)
    // The next batch's task was enqueued first: it sends before those who waited for this one are woken.
    thread.enqueue(reply)
  }

  private func freed(_ index: Int) {
    lanes[index].busy = false
    startNext(on: index)
  }

  private func connection(of index: Int) async throws -> PostgresConnection {
    if let connection = lanes[index].connection, connection.isOpen { return connection }
    lanes[index].connection = nil
    let connection = try await PostgresConnection.connect(settings, on: thread, patience: patience)
    if closed {
      connection.close()
      throw Self.closedError
    }
    lanes[index].connection = connection
    return connection
  }
}
