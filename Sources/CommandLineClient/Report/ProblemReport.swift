public import TerraneMessages

/// A problem as a block a person can act on.
public struct ProblemReport: Sendable {
  public var columns: Int
  /// What is known of this machine's server, for remedies that name its folders and user.
  public var endpoint: EndpointFile?

  public init(columns: Int, endpoint: EndpointFile? = nil) {
    self.columns = columns
    self.endpoint = endpoint
  }

  /// - Parameter heading: such as `FAILED  demo/roads/v1`.
  public func text(_ problem: Problem, heading: String, next: [String] = []) -> String {
    var block = TextBlock(columns: columns)
    block.line("\(heading)  \(TerminalText.sanitised(problem.reason))")
    block.line()
    block.fact("What happened", TerminalText.sanitised(problem.message))
    block.fact("Where", location(problem))
    let remedies =
      problem.remedy.split(separator: "\n").map { TerminalText.sanitised(String($0)) } + ownRemedies(problem)
    block.fact("What to do", remedies.joined(separator: "\n"))
    for (name, value) in problem.details.sorted(by: { $0.key < $1.key }) {
      block.fact(TerminalText.sanitised(name).replacing("_", with: " "), TerminalText.sanitised(value))
    }
    for (index, line) in next.enumerated() { block.fact(index == 0 ? "Next" : "", line) }
    return block.text
  }

  private func location(_ problem: Problem) -> String {
    guard let location = problem.location else { return "" }
    return [
      location.field.isEmpty ? nil : "field \(TerminalText.sanitised(location.field))",
      location.layer.isEmpty ? nil : "layer \(TerminalText.sanitised(location.layer))",
      location.feature.map { "feature \($0)" }, location.byte.map { "byte \(Quantity.count($0))" },
    ].compactMap { $0 }.joined(separator: ", ")
  }

  /// What only this side knows.
  private func ownRemedies(_ problem: Problem) -> [String] {
    switch problem.reason {
    case "SOURCE_OUTSIDE_ROOTS":
      let roots = endpoint?.roots ?? []
      if problem.remedy.contains("make serve") { return [] }
      let known = roots.isEmpty || problem.details.keys.contains { $0.contains("root") }
      return (known ? [] : ["Allowed folders: " + roots.map(TerminalText.sanitised).joined(separator: ", ")]) + [
        "Allow another folder by starting the server with: make serve ROOT=DIR (terraned --root DIR)"
      ]
    case "SOURCE_UNREADABLE":
      guard let user = endpoint?.user, !problem.message.contains(user) else { return [] }
      return [
        "The server runs as user \(TerminalText.sanitised(user)): it must be able to read the file and enter its folders."
      ]
    default: return []
    }
  }
}
