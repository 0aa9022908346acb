public import TerraneMessages

/// The columns of a dataset's collections: type, rows without a value, range or frequent values. Of a raster its bands.
public struct ColumnsReport: Sendable {
  public var columns: Int

  /// - Parameter columns: of the terminal.
  public init(columns: Int) { self.columns = columns }

  public func text(_ dataset: Dataset) -> String {
    var block = TextBlock(columns: columns)
    if let raster = dataset.result?.rasters.first {
      block.line("Columns are of vectors; a raster has bands:")
      block.table(RasterReport.rows(of: raster.bands), indent: 2)
      return block.text
    }
    guard let collections = dataset.result?.collections, !collections.isEmpty else {
      block.line("No collection of it is served.")
      return block.text
    }
    for collection in collections {
      let size = Quantity.count(collection.featureCount, "feature")
      block.line("\(TerminalText.sanitised(collection.id))  \(size)")
      block.table(
        [["column", "type", "empty", "values"]] + collection.columns.map { row($0, of: collection.featureCount) },
        indent: 2)
      block.line()
    }
    return block.text
  }

  private func row(_ column: Column, of rows: Int64) -> [String] {
    let source = column.sourceName.isEmpty ? "" : "  (in the source: \(TerminalText.sanitised(column.sourceName)))"
    return [
      TerminalText.sanitised(column.name), column.type, empty(column.nullCount, of: rows),
      TerminalText.truncated(values(column), to: max(20, columns - 40)) + source,
    ]
  }

  private func empty(_ count: Int64?, of rows: Int64) -> String {
    guard let count else { return "?" }
    if count == 0 || rows == 0 { return "none" }
    return count == rows ? "all" : Self.percent(Double(count) / Double(rows))
  }

  private func values(_ column: Column) -> String {
    if !column.minimum.isEmpty || !column.maximum.isEmpty {
      return TerminalText.sanitised(
        column.minimum == column.maximum ? column.minimum : "\(column.minimum) … \(column.maximum)")
    }
    return column.frequentValues.map { "\(TerminalText.sanitised($0.value)) \(Self.percent($0.share))" }
      .joined(separator: ", ")
  }

  /// Never 0 % of what there is some of, nor 100 % of what is not all.
  private static func percent(_ share: Double) -> String {
    if share < 0.01 { return "<1%" }
    return "\(min(Int((share * 100).rounded()), share < 1 ? 99 : 100))%"
  }
}
