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

  /// For a log without entries. What a log does not tell the record does: how a raster was written, and what CRS it had.
  /// - Parameter name: the dataset, as the user named it.
  public static func nothing(of dataset: Dataset, name: String, program: String) -> String {
    let get = "\(program) get \(name)"
    guard let result = dataset.result else {
      return dataset.status == .deleted
        ? "Nothing is noted." : "Nothing is noted, and nothing of it is served (\(get))."
    }
    if case .mosaic? = dataset.spec?.source { return "Nothing is noted: no pixel was copied (\(get))." }
    return isAsItWas(result, dataset.spec)
      ? "Nothing is noted: the data is as it was." : "Nothing is noted beside how it was written (\(get))."
  }

  /// Whether values and their places are the source's; a file may be compressed otherwise, where that loses nothing.
  private static func isAsItWas(_ result: DatasetResult, _ spec: DatasetSpec?) -> Bool {
    guard let treatment = result.treatment else { return false }
    guard let raster = result.rasters.first, let done = treatment.raster else {
      return treatment.sourceCrs.isEmpty || treatment.sourceCrs == result.crs
    }
    // Of a collection the size is told of all its scenes together, after the writing: there the request has to say it.
    let isResized =
      done.sourceWidth != raster.width || done.sourceHeight != raster.height
      || (spec?.rasterOptions?.resolution ?? 0) > 0
    return !done.lossy && !isResized && treatment.sourceCrs == raster.crs
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
