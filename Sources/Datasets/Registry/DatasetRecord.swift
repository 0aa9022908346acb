public import CoreMachine
internal import PostgreSQL

/// A dataset as it is answered: the row, its operation and its progress. Times are microseconds since 1970.
public struct DatasetRecord: Sendable {
  public var pk: Int64
  public var key: DatasetKey
  public var generation: Int64
  public var identity: DatasetIdentity
  public var state: DatasetState
  public var formerState: DatasetState?
  public var spec: DatasetSpec
  public var result: DatasetResult?
  /// Position in the change feed.
  public var statusSeq: Int64
  public var operation: OperationSummary?
  public var progress: ProgressSummary?
  public var created: Int64
  public var updated: Int64
  public var published: Int64?
  public var deleted: Int64?
  public var purge: Int64?

  public struct OperationSummary: Sendable {
    public var id: Int64
    public var kind: String
    public var state: OperationState
    public var retryOf: Int64?
    public var problem: Problem?
    /// Weights of the chain's steps; nil until it is planned.
    public var stepWeights: [Double]?
    public var created: Int64
    public var started: Int64?
    public var ended: Int64?
  }

  public struct ProgressSummary: Sendable {
    /// From 1.
    public var step: Int
    public var jobType: String
    public var phase: String
    public var done: Int64
    public var total: Int64?
    public var unit: String
    public var message: String
    /// 0…1 of the step.
    public var fraction: Double
    /// Units a second.
    public var rate: Double?
    public var warnings: [String: Int64]
  }

  public var status: OutwardStatus {
    OutwardStatus(dataset: state, operation: operation?.state, isPlanned: operation?.stepWeights != nil)
  }

  /// The calls that would be accepted now, for messages.
  public var legalCalls: [String] {
    switch state {
    case .draft:
      if isBusy { return operation?.state == .cancelling ? ["delete"] : ["cancel", "delete"] }
      return ["retry", "delete"]
    case .published, .deprecated:
      if isBusy { return operation?.state == .cancelling ? ["delete"] : ["cancel", "delete"] }
      return ["reprocess", "delete"]
    case .deleted: return ["undelete", "purge"]
    case .purging, .purged: return ["create"]
    }
  }

  /// True while an operation is under way.
  public var isBusy: Bool { operation.map { !$0.state.isTerminal } ?? false }

  /// What the initialiser reads, in its order (datasets.tell_record tells the same).
  static let columns = """
    pk, key, generation, namespace, dataset_id, resource_id, version_id, state, former_state, spec::text AS spec,
    result::text AS result, status_seq, operation_id, operation_kind, operation_state, retry_of,
    operation_problem::text AS operation_problem, step_weights, operation_created_at,
    operation_started_at, operation_ended_at, progress_step, progress_job_type, progress_phase, progress_done,
    progress_total, progress_unit, progress_message, progress_fraction, progress_rate, progress_warnings, created_at,
    updated_at, published_at, deleted_at, purge_at
    """

  /// Reads `columns`, in their order.
  init(_ columns: PGColumnReader, knownSpecs: [String: DatasetSpec] = [:]) throws {
    var next = columns
    pk = try next.int64()
    guard let key = DatasetKey(bytes: try next.bytes()) else { throw RecordError.malformed("key", pk) }
    self.key = key
    generation = try next.int64()
    identity = try DatasetIdentity(
      namespace: next.text(), datasetID: next.text(), resourceID: next.text(), versionID: next.text())
    guard let state = DatasetState(rawValue: try next.text()) else { throw RecordError.malformed("state", pk) }
    self.state = state
    formerState = try next.optionalText().flatMap(DatasetState.init(rawValue:))
    let stored = try next.text()
    spec = try knownSpecs[stored] ?? DatasetSpec.stored(stored)
    result = try next.optionalText().map { try DatasetResult.stored($0) }
    statusSeq = try next.int64()
    operation = try OperationSummary(&next)
    progress = try ProgressSummary(&next)
    created = try next.timestamp().microsecondsSince1970
    updated = try next.timestamp().microsecondsSince1970
    published = try next.optionalTimestamp()?.microsecondsSince1970
    deleted = try next.optionalTimestamp()?.microsecondsSince1970
    purge = try next.optionalTimestamp()?.microsecondsSince1970
  }

  enum RecordError: Error { case malformed(String, Int64) }
}

extension DatasetRecord.OperationSummary {
  private static let columnCount = 9

  fileprivate init?(_ next: inout PGColumnReader) throws {
    guard let id = try next.optionalInt64() else {
      next.skip(Self.columnCount - 1)
      return nil
    }
    self.id = id
    kind = try next.text()
    guard let state = OperationState(rawValue: try next.text()) else {
      throw DatasetRecord.RecordError.malformed("operation_state", id)
    }
    self.state = state
    retryOf = try next.optionalInt64()
    problem = try next.optionalText().map { try Problem(taskReport: $0) }
    stepWeights = try next.optionalDoubles()
    created = try next.timestamp().microsecondsSince1970
    started = try next.optionalTimestamp()?.microsecondsSince1970
    ended = try next.optionalTimestamp()?.microsecondsSince1970
  }
}

extension DatasetRecord.ProgressSummary {
  private static let columnCount = 10

  fileprivate init?(_ next: inout PGColumnReader) throws {
    guard let step = try next.optionalInt32() else {
      next.skip(Self.columnCount - 1)
      return nil
    }
    self.step = Int(step)
    jobType = try next.text()
    phase = try next.text()
    done = try next.int64()
    total = try next.optionalInt64()
    unit = try next.text()
    message = try next.text()
    fraction = try next.double()
    rate = try next.optionalDouble()
    // Most have none.
    let warnings = try next.optionalText() ?? "{}"
    self.warnings = warnings == "{}" ? [:] : try JSON.decode([String: Int64].self, from: warnings)
  }
}
