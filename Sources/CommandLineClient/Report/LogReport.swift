public import TerraneMessages

/// What was done to the data, for `log`: each reason with its count, and the places under it.
public struct LogReport: Sendable {
  public var columns: Int

  public init(columns: Int) { self.columns = columns }

  public func text(_ entries: [LogEntry]) -> String {
    var block = TextBlock(columns: columns)
    for entry in entries {
      let reason = TerminalText.sanitised(entry.reason)
      block.line("\(Quantity.count(entry.count)) × \(reason): \(TerminalText.sanitised(entry.message)) (\(entry.step))")
      block.table(
        entry.places.map { place in
          [place.layer, place.feature.map { "feature \($0)" } ?? "", place.detail].map(TerminalText.sanitised)
        })
      let more = entry.count - Int64(entry.places.count)
      if more > 0, !entry.places.isEmpty { block.line("    … and \(Quantity.count(more)) more") }
    }
    return block.text
  }
}
