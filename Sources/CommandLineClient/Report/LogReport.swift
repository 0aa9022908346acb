public import TerraneMessages

/// What was done to the data, for `log`: each reason with its count, and the places under it.
public struct LogReport: Sendable {
  public var columns: Int

  /// Places of a reason that are shown.
  public var places: Int

  public init(columns: Int, places: Int = 20) {
    self.columns = columns
    self.places = places
  }

  /// A line for each place, as CSV (RFC 4180).
  public static func csv(_ entries: [LogEntry]) -> String {
    func quoted(_ text: String) -> String {
      "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
    let rows = entries.flatMap { entry in
      entry.places.map { place in
        [
          entry.reason, entry.step, quoted(place.layer), place.feature.map { "\($0)" } ?? "", quoted(place.detail),
        ].joined(separator: ",")
      }
    }
    return (["reason,step,layer,feature,detail"] + rows).map { $0 + "\r\n" }.joined()
  }

  public func text(_ entries: [LogEntry]) -> String {
    var block = TextBlock(columns: columns)
    for entry in entries {
      let reason = TerminalText.sanitised(entry.reason)
      block.line("\(Quantity.count(entry.count)) × \(reason): \(TerminalText.sanitised(entry.message)) (\(entry.step))")
      block.table(
        entry.places.prefix(places).map { place in
          [place.layer, place.feature.map { "feature \($0)" } ?? "", place.detail].map(TerminalText.sanitised)
        })
      let more = entry.count - Int64(min(entry.places.count, places))
      if more > 0, !entry.places.isEmpty { block.line("    … and \(Quantity.count(more)) more") }
    }
    return block.text
  }
}
