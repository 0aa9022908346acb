internal import Logging
public import PostgreSQL
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
  private let start = Mutex<FeedPosition?>(nil)
  private let connection: ConnectionPool
  private let listener: NotificationListener
  private let poll: Duration
  private let logger: Logger

  /// Most changes in one batch.
  public static let batch = 1000

  init(connection: ConnectionPool, listener: NotificationListener, poll: Duration, logger: Logger) {
    self.connection = connection
    self.listener = listener
    self.poll = poll
    self.logger = logger
  }

  /// Where the feed was when the engine started; nil before.
  public var position: FeedPosition? { start.withLock { $0 } }

  /// The epoch, and the newest number that is committed now.
  public func current() async throws -> FeedPosition {
    let row = try await connection.query("SELECT epoch, last FROM coremachine.feed_state()").oneRow()
    return FeedPosition(epoch: UInt64(bitPattern: try row.int64("epoch")), seq: try row.int64("last"))
  }

  func begin() async throws {
    let position = try await current()
    start.withLock { $0 = position }
  }

  /// Batches of changes since the engine started, in order of their numbers, until whoever reads them is cancelled.
  public func changes() -> AsyncStream<[SubjectChange]> {
    let (stream, continuation) = AsyncStream.makeStream(of: [SubjectChange].self)
    let reading = Task {
      await follow {
        Self.subjects(after: $0)
      } take: { rows, _ in
        let changes = try Self.changes(rows)
        guard let newest = changes.last?.seq else { return nil }
        continuation.yield(changes)
        return Seen(upTo: newest, isAll: changes.count < Self.batch)
      }
      continuation.finish()
    }
    continuation.onTermination = { _ in reading.cancel() }
    return stream
  }

  /// Which subjects changed after a number, at most ``batch``, in the order of their numbers.
  public static func subjects(after seq: Int64) -> PostgresStatement {
    PostgresStatement(
      "SELECT subject, status_seq FROM coremachine.subjects WHERE status_seq > $1 ORDER BY status_seq LIMIT $2",
      [.int64(seq), .int64(Int64(batch))])
  }

  /// Reads the rows of ``subjects(after:)``.
  public static func changes(_ rows: PGResult) throws -> [SubjectChange] {
    try rows.map { SubjectChange(subject: try $0.int64("subject"), seq: try $0.int64("status_seq")) }
  }

  /// Reads what changed with a statement of the caller's, on every notification, reconnect and poll, until cancelled. It
  /// runs on the database's own thread, so that from the notification to `take` there is one round trip and no hop between
  /// threads: take little, and leave long work to another.
  ///
  /// - Parameters:
  ///   - statement: What to read after a number.
  ///   - take: Gets the rows and the number they were read after, and says what has been seen; nil: nothing new.
  ///   - telling: Changes that need not be read, since their notification says what they are.
  public func follow(
    reading statement: @escaping @Sendable (_ after: Int64) -> PostgresStatement,
    take: @escaping @Sendable (_ rows: PGResult, _ after: Int64) async throws -> Seen?, telling: Telling? = nil
  ) async {
    let place = FeedPlace(position?.seq)
    let observation = listener.observe(Self.channel, telling?.channel ?? Self.channel) { batch in
      // What is told first: a number it covers need not be read.
      if let telling {
        for event in batch where event.channel == telling.channel { Self.hear(event.notification, telling, place) }
      }
      for event in batch where event.channel == Self.channel { place.hear(event.notification) }
    }
    defer { observation.cancel() }
    await withTaskExecutorPreference(connection.thread) {
      await withTaskGroup(of: Void.self) { group in
        group.addTask(executorPreference: globalConcurrentExecutor) { [poll] in
          while !Task.isCancelled {
            try? await Task.sleep(for: poll.jittered)
            place.isDue()
          }
        }
        await read(statement, take, place)
        group.cancelAll()
      }
    }
  }

  private static let channel = "terrane_changes"

  private static func hear(_ notification: Notification, _ telling: Telling, _ place: FeedPlace) {
    guard case .message(let payload, _) = notification,
      let space = payload.utf8.firstIndex(of: UInt8(ascii: " ")), let seq = Int64(payload[..<space]),
      // What comes before it has been handed out; else it is read with that.
      place.last == seq - 1, telling.take(seq, payload[payload.utf8.index(after: space)...])
    else { return }
    place.see(seq)
  }

  /// How far a reader has come.
  public struct Seen: Sendable {
    /// Every change up to here.
    public var upTo: Int64
    /// Nothing else had been committed by then; false: there may be more to read at once.
    public var isAll: Bool

    public init(upTo: Int64, isAll: Bool) {
      self.upTo = upTo
      self.isAll = isAll
    }
  }

  /// Notifications that carry a change: its number, a space, and what `take` understands. A change that is not told, or told
  /// out of turn, is read.
  public struct Telling: Sendable {
    public var channel: String
    /// Runs on the session's thread. False: it was not understood, so it has to be read.
    public var take: @Sendable (_ seq: Int64, _ text: Substring) -> Bool

    public init(channel: String, take: @escaping @Sendable (_ seq: Int64, _ text: Substring) -> Bool) {
      self.channel = channel
      self.take = take
    }
  }

  private func read(
    _ statement: @Sendable (Int64) -> PostgresStatement,
    _ take: @Sendable (PGResult, Int64) async throws -> Seen?, _ place: FeedPlace
  ) async {
    while !Task.isCancelled {
      do {
        if place.last == nil { place.see(try await current().seq) }
        while !Task.isCancelled, let (after, announced) = place.reading() {
          let next = statement(after)
          let seen = try await take(try await connection.query(next.sql, next.parameters), after)
          if let seen { place.see(seen.upTo) }
          if seen?.isAll ?? true { place.see(announced) } else { place.isDue() }
        }
      } catch {
        place.isDue(ring: false)
        if !Task.isCancelled { logger.warning("changes were not read", metadata: ["error": "\(error)"]) }
      }
      await place.bell.wait()
    }
  }
}
