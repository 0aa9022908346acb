internal import TaskProtocol

extension Problem {
  /// Reads the problem a task or CoreMachine recorded.
  init(taskReport json: String) throws {
    let report = try ProblemReport(json: json)
    self.init(
      Reason(report.reason), report.message,
      location: Location(layer: report.layer, feature: report.feature, byte: report.byte, field: report.field),
      details: report.details)
  }
}
