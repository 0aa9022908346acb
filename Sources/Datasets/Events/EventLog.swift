public import CoreMachine
internal import Foundation
public import Logging
public import PostgreSQL
internal import Synchronization

/// One line in the log for each committed change of a dataset, its operations, jobs and tasks.
///
/// Changes are queued where they happen and written by one task, in their order: which dataset a row's number means is looked
/// up once and kept. The log is for reading along; `datasets.events` and `coremachine.events` are the books, and have every
/// move also where a server died before it could write the line.
public final class EventLog: Sendable {
  private let pool: ConnectionPool
  private let logger: Logger
  private let changes: AsyncStream<[DatasetEvent]>
  private let input: AsyncStream<[DatasetEvent]>.Continuation
  private let known = Mutex<[Int64: EventSubject]>([:])

  /// Names that are kept; then all are looked up anew.
  private static let knownLimit = 10_000

  /// - Parameter pool: for looking up names.
  public init(pool: ConnectionPool, logger: Logger) {
    self.pool = pool
    self.logger = logger
    (changes, input) = AsyncStream.makeStream(of: [DatasetEvent].self)
  }

  /// Writes lines until `finish` has been called and all that came before it is written.
  public func run() async {
    for await batch in changes {
      for event in batch { write(event, await subject(of: event), await duration(of: event)) }
    }
  }

  /// Takes no more changes.
  public func finish() { input.finish() }

  // MARK: What the database knows

  private func subject(of event: DatasetEvent) async -> EventSubject? {
    if let given = event.dataset {
      keep(given, event.subject)
      return given
    }
    if let known = known.withLock({ $0[event.subject] }) { return known }
    let found = await row(
      "SELECT key, generation, namespace, dataset_id, resource_id, version_id FROM datasets.datasets WHERE pk = $1",
      event.subject
    ) { row -> EventSubject? in
      guard let key = DatasetKey(bytes: try row.bytes("key")) else { return nil }
      return EventSubject(
        key: key,
        identity: try DatasetIdentity(
          namespace: row.text("namespace"), datasetID: row.text("dataset_id"), resourceID: row.text("resource_id"),
          versionID: row.text("version_id")), generation: try row.int64("generation"))
    }
    if let found { keep(found, event.subject) }
    return found
  }

  private func keep(_ subject: EventSubject, _ pk: Int64) {
    known.withLock { known in
      if known.count >= Self.knownLimit { known = [:] }
      known[pk] = subject
    }
  }

  /// Of an operation that has ended: since it was asked for. The times of an ended operation do not change any more.
  private func duration(of event: DatasetEvent) async -> Duration? {
    if let duration = event.duration { return duration }
    guard [.operationPublish, .operationFail, .operationStop].contains(event.name), let operation = event.operation
    else { return nil }
    return await row(
      """
      SELECT (extract(epoch FROM ended_at - created_at) * 1000)::bigint AS ms FROM coremachine.operations
      WHERE operation_id = $1
      """, operation
    ) { try $0.optionalInt64("ms").map { .milliseconds($0) } }
  }

  /// A row read after the fact; nil also where the database is away: the line is written all the same.
  private func row<T: Sendable>(_ sql: String, _ id: Int64, _ read: (PGResult.Row) throws -> T?) async -> T? {
    do { return try await pool.query(sql, [.int64(id)]).first.flatMap(read) } catch {
      logger.warning("what an event is about could not be looked up", metadata: ["error": "\(error)"])
      return nil
    }
  }

  // MARK: The line

  private func write(_ event: DatasetEvent, _ subject: EventSubject?, _ duration: Duration?) {
    let entry = EventEntry.entry(event.name)
    var fields: Logger.Metadata = [
      "event": "\(event.name.rawValue)", "from": "\(event.from)", "to": "\(event.to)", "actor": "\(event.actor)",
    ]
    func number(_ name: String, _ value: (some BinaryInteger & Sendable & CustomStringConvertible)?) {
      if let value { fields[name] = .stringConvertible(value) }
    }
    if let subject {
      fields["dataset_key"] = "\(subject.key)"
      fields["name"] = "\(subject.identity.reference)"
      number("generation", subject.generation)
    } else {
      number("dataset_pk", event.subject)
    }
    number("operation", event.operation)
    number("step", event.step)
    if let jobType = event.jobType { fields["job_type"] = "\(jobType)" }
    number("task", event.task)
    number("attempt", event.attempt)
    number("retry_of", event.retryOf)
    if let reason = event.reason { fields["reason"] = "\(reason)" }
    if let id = event.requestID { fields["request_id"] = "\(id.hexDigits)" }
    if let duration {
      let (seconds, attoseconds) = duration.components
      number("duration_ms", seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
    }
    // Giving a task back because the server stops is no mishap.
    let level = event.name == .taskRequeue && event.reason == "RELEASED" ? .info : entry.level
    logger.log(level: level, "\(entry.message)", metadata: fields)
  }
}

extension EventLog: DatasetObserver, EngineObserver {
  public func committed(_ events: [DatasetEvent]) {
    if !events.isEmpty { input.yield(events) }
  }

  public func committed(_ events: [EngineEvent]) { committed(events.compactMap(DatasetEvent.init)) }
}
