internal import TaskProtocol

extension FanOut {
  /// The tasks of a stage. Pure.
  ///
  /// - Parameter inputBytes: Size of the job's input, for fan-outs that hand the whole of it to one task.
  func tasks(_ input: StageInput, inputBytes: Int64 = 0) throws -> [TaskSpec] {
    let specs = try unlimited(input, inputBytes: inputBytes)
    guard specs.count <= Self.maximumTasks else {
      throw ProblemReport(
        reason: "TOO_MANY_TASKS",
        message: "This step would take \(specs.count) tasks; at most \(Self.maximumTasks) are run.")
    }
    return specs
  }

  private func unlimited(_ input: StageInput, inputBytes: Int64) throws -> [TaskSpec] {
    switch self {
    case .single:
      return [TaskSpec(parameters: input.jobParameters, inputBytes: inputBytes)]
    case .custom(let plan):
      return try plan(input)
    case .count(let parameter):
      let job = try JSONValue(text: input.jobParameters)
      guard let count = job[parameter]?.integer, count >= 0 else {
        throw ProblemReport(reason: "INTERNAL", message: "The number of tasks, \(parameter), is not in the parameters.")
      }
      guard count <= Self.maximumTasks else {
        throw ProblemReport(
          reason: "TOO_MANY_TASKS",
          message: "This step would take \(count) tasks; at most \(Self.maximumTasks) are run.")
      }
      return try (0..<Int(count)).map { try Self.envelope(job: job, index: $0, count: Int(count), [:], bytes: 0) }
    case .perResult:
      return try Self.each(try input.results.map(JSONValue.init(text:)), of: input)
    case .elements(let member):
      let elements = try input.results.flatMap { result -> [JSONValue] in
        guard let elements = try JSONValue(text: result)[member]?.elements else {
          throw ProblemReport(reason: "INTERNAL", message: "A result has no list \(member) to continue with.")
        }
        return elements
      }
      return try Self.each(elements, of: input)
    case .fanIn:
      let inputs = try input.results.map(JSONValue.init(text:))
      let job = try JSONValue(text: input.jobParameters)
      return [try Self.envelope(job: job, index: 0, count: 1, ["inputs": .array(inputs)], bytes: inputBytes)]
    }
  }

  private static func each(_ inputs: [JSONValue], of input: StageInput) throws -> [TaskSpec] {
    let job = try JSONValue(text: input.jobParameters)
    return try inputs.enumerated().map { index, element in
      try envelope(
        job: job, index: index, count: inputs.count, ["input": element], bytes: max(0, element["bytes"]?.integer ?? 0))
    }
  }

  private static func envelope(
    job: JSONValue, index: Int, count: Int, _ more: [String: JSONValue], bytes: Int64
  ) throws -> TaskSpec {
    var members = more
    members["job"] = job
    members["index"] = .integer(Int64(index))
    members["count"] = .integer(Int64(count))
    return TaskSpec(parameters: try JSONValue.object(members).text(), inputBytes: bytes)
  }
}
