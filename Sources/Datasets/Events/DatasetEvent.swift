internal import CoreMachine

/// A change of a dataset, or of what works for it, that is committed.
public struct DatasetEvent: Sendable, Equatable {
  public var name: EventName
  /// The dataset's row.
  public var subject: Int64
  /// What is known of the dataset without asking the database; nil: to be looked up.
  public var dataset: EventSubject?
  public var operation: Int64?
  /// States of what the event's name begins with.
  public var from: String
  public var to: String
  /// The job's number and type.
  public var step: Int?
  public var jobType: String?
  public var task: Int64?
  public var attempt: Int32?
  public var reason: String?
  /// The principal's URI, or a part of the server: `terrane:retention`, `terrane:coremachine`.
  public var actor: String
  /// 16 bytes.
  public var requestID: [UInt8]?
  public var duration: Duration?
  /// The operation that is tried again.
  public var retryOf: Int64?

  public init(_ name: EventName, subject: Int64, from: String, to: String, actor: String) {
    self.name = name
    self.subject = subject
    self.from = from
    self.to = to
    self.actor = actor
  }

  /// Nil for a move that no operation of a dataset makes.
  init?(_ event: EngineEvent) {
    guard let name = EventName(rawValue: "\(event.resource.rawValue).\(event.move)") else { return nil }
    self.init(name, subject: event.subject, from: event.from, to: event.to, actor: "terrane:coremachine")
    operation = event.operation
    step = event.step
    jobType = event.jobType
    task = event.task
    attempt = event.attempt
    reason = event.reason
    duration = event.duration
  }
}

/// How people name a dataset.
public struct EventSubject: Sendable, Equatable {
  public var key: DatasetKey
  public var identity: DatasetIdentity
  public var generation: Int64

  init(_ record: DatasetRecord) {
    key = record.key
    identity = record.identity
    generation = record.generation
  }

  init(key: DatasetKey, identity: DatasetIdentity, generation: Int64) {
    self.key = key
    self.identity = identity
    self.generation = generation
  }
}

/// Hears of changes after their transaction has been committed: at most once each, never of one that was rolled back. Must
/// not wait for anything.
public protocol DatasetObserver: Sendable {
  func committed(_ events: [DatasetEvent])
}

/// Nobody.
public struct NoDatasetObserver: DatasetObserver {
  public init() {}
  public func committed(_ events: [DatasetEvent]) {}
}
