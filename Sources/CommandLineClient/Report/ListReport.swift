import FramedMessages
public import TerraneMessages

/// Tables for `list` and `admin scan`.
public struct ListReport: Sendable {
  public var columns: Int

  public init(columns: Int) { self.columns = columns }

  /// One line a dataset, under a line of headings.
  public func text(_ datasets: [Dataset]) -> String {
    var block = TextBlock(columns: columns)
    block.table([["NAME", "STATUS", "SIZE", "CREATED (UTC)", "TITLE"]] + datasets.map(row), indent: 0)
    return block.lines.map { TerminalText.truncated($0, to: max(40, columns)) + "\n" }.joined()
  }

  private func row(_ dataset: Dataset) -> [String] {
    let created = dataset.createTime?.nanosecondsSince1970.map { CivilTime(nanosecondsSince1970: $0).minute } ?? ""
    return [
      TerminalText.sanitised("\(DatasetReference(dataset.name, key: dataset.datasetKey))"), state(dataset),
      size(dataset),
      created, TerminalText.sanitised(dataset.spec?.metadata?.title ?? ""),
    ]
  }

  private func state(_ dataset: Dataset) -> String {
    let problem = dataset.status == .failed ? dataset.problem?.reason ?? "" : ""
    return dataset.status.word + (problem.isEmpty ? "" : " " + TerminalText.sanitised(problem))
  }

  private func size(_ dataset: Dataset) -> String {
    if let raster = dataset.result?.rasters.first {
      let scenes = raster.sceneCount > 0 ? ", \(Quantity.count(Int64(raster.sceneCount), "scene"))" : ""
      return "\(Quantity.count(Int64(raster.width))) x \(Quantity.count(Int64(raster.height)))\(scenes)"
    }
    if let result = dataset.result { return Quantity.count(result.featureCount, "feature") }
    guard ExitStatus(dataset.status) == nil, let progress = dataset.progress else { return "" }
    return Quantity.percent(progress.percent)
  }

  public func text(_ scan: ScanResponse) -> String {
    var block = TextBlock(columns: columns)
    let rows = Quantity.count(scan.ledgerRows, "ledger row")
    block.line("Compared \(rows) with \(Quantity.count(scan.things, "thing")) that exist.")
    findings("exist, and no ledger row says why", scan.unexpected, into: &block)
    findings("are in the ledger and do not exist", scan.missing, into: &block)
    return block.text
  }

  private func findings(_ what: String, _ findings: [ScanFinding], into block: inout TextBlock) {
    block.line("\(Quantity.count(Int64(findings.count))) \(what)\(findings.isEmpty ? "." : ":")")
    block.table(findings.map { [$0.kind, $0.identifier, $0.detail].map(TerminalText.sanitised) })
  }
}
