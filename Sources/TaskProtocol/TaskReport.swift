/// One line from a child to its supervisor.
public enum TaskReport: Sendable, Equatable {
  case progress(TaskProgress)
  case warning(TaskWarning)
  /// The work advances although there is no progress to show.
  case heartbeat
  /// The task is done; the result is a JSON object as text, opaque to supervisor and engine.
  case completed(result: String)
  /// The task is done and its result is too long for a line: it is in this file of the scratch directory (a plain file
  /// name). The reader opens it without following links and refuses more than `TaskProtocolLimits.resultFile` bytes.
  case completedInFile(String)
  case failed(ProblemReport)
}

/// How far a task is, in real units.
public struct TaskProgress: Codable, Sendable, Equatable {
  /// Phase within the task, for instance `load`.
  public var phase: String
  /// Unit of `done` and `total`: `rows`, `bytes`, `steps`.
  public var unit: String
  /// Done so far; never shrinks within a phase.
  public var done: Int64
  /// Expected end, nil where it is not known.
  public var total: Int64?
  /// A sentence a person understands.
  public var message: String

  public init(phase: String, unit: String, done: Int64, total: Int64?, message: String = "") {
    self.phase = phase
    self.unit = unit
    self.done = done
    self.total = total
    self.message = message
  }
}

/// What was done to the data, or seen in it, counted by reason. A later line of the same reason replaces the count, and the
/// examples from `first` on.
public struct TaskWarning: Codable, Sendable, Equatable {
  public var reason: String
  /// Cumulative within the task.
  public var count: Int64
  /// At most `examplesInLine` in a line.
  public var examples: [WarningExample]
  /// How many examples of the reason stand in earlier lines, and before these.
  public var first: Int

  /// Most examples of a reason in one line.
  public static let examplesInLine = 20
  /// Most examples of a reason in all lines.
  public static let maximumExamples = 1000

  public init(reason: String, count: Int64, examples: [WarningExample] = [], first: Int = 0) {
    self.reason = reason
    self.count = count
    self.examples = examples
    self.first = first
  }

  /// The warning line by line; the first carries the count, too, where there is no example.
  public var lines: [TaskWarning] {
    stride(from: 0, to: max(1, min(examples.count, Self.maximumExamples)), by: Self.examplesInLine).map { first in
      TaskWarning(
        reason: reason, count: count, examples: Array(examples.dropFirst(first).prefix(Self.examplesInLine)),
        first: first)
    }
  }

  /// What is known of the reason after this line.
  /// - Parameter known: before it; nil: nothing.
  public func following(_ known: TaskWarning?) -> TaskWarning {
    let kept = known?.examples.prefix(first) ?? []
    // Where lines are missing, what comes after them is left out, too: examples are the first ones, in their order.
    let added = kept.count == first ? examples : []
    return TaskWarning(reason: reason, count: count, examples: Array((kept + added).prefix(Self.maximumExamples)))
  }
}

/// One place a warning was seen at.
public struct WarningExample: Codable, Sendable, Equatable {
  public var layer: String?
  public var feature: Int64?
  public var detail: String

  public init(layer: String? = nil, feature: Int64? = nil, detail: String) {
    self.layer = layer
    self.feature = feature
    self.detail = detail
  }
}

extension TaskReport {
  /// The report as one line, newline included. Throws `lineTooLong` over `TaskProtocolLimits.reportLine`.
  public func line() throws(TaskProtocolError) -> [UInt8] {
    let bytes = try JSONText.encodeBytes(TaskReportWire(self)) + [0x0A]
    guard bytes.count <= TaskProtocolLimits.reportLine else {
      throw .lineTooLong(limit: TaskProtocolLimits.reportLine)
    }
    return bytes
  }

  /// Reads a line, with or without its newline. Everything a child sends is hostile: limits first.
  public init(line: [UInt8]) throws(TaskProtocolError) {
    guard line.count <= TaskProtocolLimits.reportLine else {
      throw .lineTooLong(limit: TaskProtocolLimits.reportLine)
    }
    self = try JSONText.decode(TaskReportWire.self, fromBytes: line).report()
  }
}

/// The flat object on the wire: `type` and the fields of that type.
private struct TaskReportWire: Codable {
  var type: String
  var phase: String?
  var unit: String?
  var done: Int64?
  var total: Int64?
  var message: String?
  var reason: String?
  var count: Int64?
  var examples: [WarningExample]?
  var first: Int?
  var result: JSONValue?
  var resultFile: String?
  var problem: ProblemReport?

  init(_ report: TaskReport) throws(TaskProtocolError) {
    switch report {
    case .progress(let progress):
      type = "progress"
      phase = progress.phase
      unit = progress.unit
      done = progress.done
      total = progress.total
      message = progress.message
    case .warning(let warning):
      type = "warning"
      reason = warning.reason
      count = warning.count
      examples = warning.examples
      first = warning.first == 0 ? nil : warning.first
    case .heartbeat:
      type = "heartbeat"
    case .completed(let text):
      type = "completed"
      result = try JSONText.decode(JSONValue.self, from: text)
    case .completedInFile(let name):
      type = "completed"
      resultFile = name
    case .failed(let report):
      type = "failed"
      problem = report
    }
  }

  func report() throws(TaskProtocolError) -> TaskReport {
    switch type {
    case "progress":
      guard let phase, let unit, let done else { throw .malformed("progress without phase, unit or done") }
      guard done >= 0, (total ?? 0) >= 0 else { throw .malformed("negative progress") }
      return .progress(TaskProgress(phase: phase, unit: unit, done: done, total: total, message: message ?? ""))
    case "warning":
      guard let reason, let count, count >= 0, (0...TaskWarning.maximumExamples).contains(first ?? 0) else {
        throw .malformed("warning without reason or count")
      }
      return .warning(
        TaskWarning(
          reason: reason, count: count, examples: Array((examples ?? []).prefix(TaskWarning.examplesInLine)),
          first: first ?? 0))
    case "heartbeat":
      return .heartbeat
    case "completed":
      if let resultFile {
        guard !resultFile.isEmpty, !resultFile.contains("/"), !resultFile.hasPrefix(".") else {
          throw .malformed("result file is not a plain name")
        }
        return .completedInFile(resultFile)
      }
      guard case .object? = result else { throw .malformed("completed without a result object") }
      return .completed(result: try JSONText.encode(result))
    case "failed":
      guard let problem else { throw .malformed("failed without a problem") }
      return .failed(problem)
    default:
      throw .unknownType(type)
    }
  }
}
