internal import ProtobufFacade
internal import TerraneMessages

extension DatasetStatus {
  /// Leaves out what GetDataset has in full until the message is no longer than `limit`: the last collections first, then
  /// the details of the problem, rare warnings, and the ends of long texts.
  mutating func fit(_ limit: Int) {
    while protobufBytes().count > limit {
      if operation?.problem != nil, problem != nil {
        // The same problem is beside it.
        operation?.problem = nil
      } else if let details = operation?.problem?.details, !details.isEmpty {
        operation?.problem?.details = [:]
      } else if let count = result?.collections.count, count > 0 {
        result?.collections.removeLast(max(1, count / 4))
      } else if let details = problem?.details, !details.isEmpty {
        for key in details.keys.sorted(by: { (details[$0] ?? "").utf8.count > (details[$1] ?? "").utf8.count })
          .prefix(max(1, details.count / 2))
        {
          problem?.details[key] = nil
        }
      } else if warnings.count > 8 {
        warnings = Array(warnings.sorted { ($1.count, $0.reason) < ($0.count, $1.reason) }.prefix(warnings.count / 2))
      } else if !shortenTexts() {
        return
      }
    }
  }

  /// Halves the texts that a source or a task may have written. False: nothing is left to shorten.
  private mutating func shortenTexts() -> Bool {
    var shortened = false
    func halve(_ text: inout String) {
      guard text.utf8.count > 64 else { return }
      text = String(text.prefix(text.count / 2)) + "…"
      shortened = true
    }
    if problem != nil {
      halve(&problem!.message)
      halve(&problem!.remedy)
      if problem!.location != nil {
        halve(&problem!.location!.layer)
        halve(&problem!.location!.field)
      }
    }
    if operation?.problem != nil {
      halve(&operation!.problem!.message)
      halve(&operation!.problem!.remedy)
    }
    if progress != nil { halve(&progress!.message) }
    if result?.treatment != nil { halve(&result!.treatment!.sourceCrs) }
    return shortened
  }
}
