internal import Logging
internal import PostgreSQL
internal import Synchronization

/// A subject whose outward status changed.
public struct SubjectChange: Sendable, Equatable {
  public var subject: Int64
  /// Grows with every change, in the order in which the changes became visible. A subject keeps only its newest.
  public var seq: Int64

  public init(subject: Int64, seq: Int64) {
    self.subject = subject
    self.seq = seq
  }
}

/// Where a feed is.
public struct FeedPosition: Sendable, Equatable {
  /// Numbers of different epochs have nothing to do with each other: another cluster, timeline or copy of the database.
  public var epoch: UInt64
  /// Everything up to this number has been handed out.
  public var seq: Int64

  public init(epoch: UInt64, seq: Int64) {
    self.epoch = epoch
    self.seq = seq
  }
}

/// Tells which subjects changed. Reads `status_seq > last ORDER BY status_seq` on a notification, on reconnect and each
/// poll; numbers are handed out in commit order, so nothing is missed.
public final class ChangeFeed: Sendable {
  private struct State {
    var position: FeedPosition?
    var subscribers: [UInt64: AsyncStream<[SubjectChange]>.Continuation] = [:]
    var next: UInt64 = 0
  }
  private let state = Mutex(State())
  private let connection: ConnectionPool
  private let listener: NotificationListener
  private let poll: Duration
  private let bell = Bell()
  private let logger: Logger

  /// Most changes in one batch.
  public static let batch = 1000

  init(connection: ConnectionPool, listener: NotificationListener, poll: Duration, logger: Logger) {
    self.connection = connection
    self.listener = listener
    self.poll = poll
    self.logger = logger
  }

  /// Where the feed is; nil until it has read for the first time.
  public var position: FeedPosition? { state.withLock { $0.position } }

  /// Batches of changes that are read from now on, in order of their numbers. Subscribe, then read what is there.
  public func changes() -> AsyncStream<[SubjectChange]> {
    let (stream, continuation) = AsyncStream.makeStream(of: [SubjectChange].self)
    let id = state.withLock { state in
      state.next += 1
      state.subscribers[state.next] = continuation
      return state.next
    }
    continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.subscribers[id] = nil } }
    return stream
  }

  /// The epoch, and the newest number that is committed now.
  public func current() async throws -> FeedPosition {
    let row = try await connection.query("SELECT epoch, last FROM coremachine.feed_state()").oneRow()
    return FeedPosition(epoch: UInt64(bitPattern: try row.int64("epoch")), seq: try row.int64("last"))
  }

  /// Reads now rather than with the next notification: for a caller that has just committed.
  public func wake() { bell.ring() }

  func start() async throws {
    let position = try await current()
    state.withLock { $0.position = position }
  }

  /// Until cancelled.
  func run() async {
    let doorbell = Task { [bell, listener] in
      for await _ in listener.subscribe(to: "terrane_changes") { bell.ring() }
    }
    defer { doorbell.cancel() }
    while !Task.isCancelled {
      do { while try await read() {} } catch {
        if !Task.isCancelled { logger.warning("changes were not read", metadata: ["error": "\(error)"]) }
      }
      await bell.wait(upTo: poll.jittered)
    }
    let subscribers = state.withLock { state in
      defer { state.subscribers = [:] }
      return state.subscribers.values.map { $0 }
    }
    for subscriber in subscribers { subscriber.finish() }
  }

  /// Whether there may be more.
  private func read() async throws -> Bool {
    guard let last = position?.seq else {
      try await start()
      return true
    }
    let rows = try await connection.query(
      "SELECT subject, status_seq FROM coremachine.subjects WHERE status_seq > $1 ORDER BY status_seq LIMIT $2",
      [.int64(last), .int64(Int64(Self.batch))])
    let changes = try rows.map { SubjectChange(subject: try $0.int64("subject"), seq: try $0.int64("status_seq")) }
    guard let newest = changes.last?.seq else { return false }
    let subscribers = state.withLock { state in
      state.position?.seq = newest
      return state.subscribers.values.map { $0 }
    }
    for subscriber in subscribers { subscriber.yield(changes) }
    return changes.count == Self.batch
  }
}
