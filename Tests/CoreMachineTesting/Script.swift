public import TaskProtocol

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// What a scripted task is told by its parameters.
///
/// Parameters are `{"script": word, "on": stage?, …}`, or an envelope with them under `job`. A task whose stage is not `on`
/// succeeds.
public struct Script: Sendable {
  public var word: String
  public var items: [Int]
  public var index: Int?
  public var inputs: Int?

  private struct Parameters: Decodable {
    var script: String?
    var on: String?
    var items: [Int]?
    var job: Job?
    var index: Int?
    var inputs: [Result]?
    struct Job: Decodable {
      var script: String?
      var on: String?
    }
    struct Result: Decodable {}
  }

  public init(_ assignment: TaskAssignment) throws {
    let parameters = try JSONDecoder().decode(Parameters.self, from: Data(assignment.parameters.utf8))
    let on = parameters.job?.on ?? parameters.on
    let applies = on == nil || on == assignment.stage || on == assignment.jobType
    word = applies ? parameters.job?.script ?? parameters.script ?? "succeed" : "succeed"
    items = parameters.items ?? []
    index = parameters.index
    inputs = parameters.inputs?.count
  }

  /// What a task that succeeds answers: its place, how many inputs it was given, and the items it was told.
  public func result(of assignment: TaskAssignment) -> String {
    let items = items.map { #"{"item":\#($0)}"# }.joined(separator: ",")
    return
      #"{"attempt":\#(assignment.attempt),"index":\#(index ?? -1),"inputs":\#(inputs ?? -1),"items":[\#(items)],"stage":"\#(assignment.stage)"}"#
  }

  /// Runs a script as a function.
  public static let handler: InProcessLauncher.Handler = { assignment, control in
    guard let script = try? Script(assignment) else { return nil }
    let done = TaskReport.completed(result: script.result(of: assignment))
    switch script.word {
    case "fail":
      return .failed(ProblemReport(reason: "NO_GOOD", message: "it is no good"))
    case "fail_first":
      return assignment.attempt > 1 ? done : .failed(ProblemReport(reason: "BUSY", message: "later", transient: true))
    case "fail_always":
      return .failed(ProblemReport(reason: "BUSY", message: "later", transient: true))
    case "crash_first":
      return assignment.attempt > 1 ? done : nil
    case "fail_one":
      if script.index == 0 { return .failed(ProblemReport(reason: "NO_GOOD", message: "the first is no good")) }
      await control.untilStopped()
      return nil
    case "hang":
      await control.untilStopped()
      return nil
    case "hang_first":
      if assignment.attempt > 1 { return done }
      await control.untilStopped()
      return nil
    case "report":
      control.report(.progress(TaskProgress(phase: "load", unit: "rows", done: 5, total: 10, message: "half")))
      control.report(
        .warning(TaskWarning(reason: "NULL_GEOMETRY", count: 3, examples: [WarningExample(detail: "row 7")])))
      await control.untilStopped()
      return nil
    default:
      return done
    }
  }
}
