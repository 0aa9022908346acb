public import TerraneMessages

/// How far a dataset is, on one line.
public struct StatusLine: Sendable {
  /// False where the terminal's encoding is not UTF-8.
  public var unicode: Bool

  public init(unicode: Bool) { self.unicode = unicode }

  /// Step, bar, percent, amount, rate, time left, warnings; what does not fit `columns` is left out, the least telling first.
  public func bar(_ status: DatasetStatus, columns: Int) -> String {
    let progress = status.progress ?? Progress()
    let head = Self.step(progress)
    let label = Self.label(status)
    let percent = padLeft(Quantity.percent(progress.percent), 4)
    // In reading order, each with how much it tells.
    var facts = [
      (1, Self.amount(progress)), (4, Self.rate(progress)), (3, timeLeft(progress)), (2, Self.warnings(status)),
    ].filter { !$0.1.isEmpty }
    let start = [head, label].filter { !$0.isEmpty }.joined(separator: " ")
    while true {
      let fixed = TerminalText.width(start) + 3 + percent.count + facts.reduce(0) { $0 + 2 + TerminalText.width($1.1) }
      // Few widths, so that the bar does not breathe with every digit beside it.
      if let width = [30, 20, 10].first(where: { $0 <= columns - fixed }) {
        let bar = ProgressBar(unicode: unicode).text(progress.percent / 100, columns: width)
        return ([start, "\(bar) \(percent)"] + facts.map(\.1)).joined(separator: "  ")
      }
      guard let least = facts.indices.min(by: { facts[$0].0 < facts[$1].0 }) else { break }
      facts.remove(at: least)
    }
    return TerminalText.truncated("\(start) \(percent.trimmingSpaces)", to: columns, ellipsis: unicode ? "…" : "")
  }

  /// The same as a sentence for logs and pipes.
  public func plain(_ status: DatasetStatus) -> String {
    let progress = status.progress ?? Progress()
    let head = [Self.step(progress), Self.label(status)].filter { !$0.isEmpty }.joined(separator: " ")
    let facts = [
      Quantity.percent(progress.percent), Self.amount(progress), Self.rate(progress), timeLeft(progress),
      Self.warnings(status),
    ].filter { !$0.isEmpty }
    return head + ": " + facts.joined(separator: ", ")
  }

  /// `[2/4]`; before the chain is planned nobody knows of how many.
  static func step(_ progress: Progress) -> String {
    guard progress.stepNumber > 0 else { return "" }
    return progress.stepCount > 0 ? "[\(progress.stepNumber)/\(progress.stepCount)]" : "[\(progress.stepNumber)]"
  }

  static func label(_ status: DatasetStatus) -> String {
    if status.operation?.state == .cancelling { return "cancelling" }
    switch status.status {
    case .requested: return "waiting for a free worker"
    case .inputRequired: return "waiting for input"
    case .provisioning, .processing, .updating: break
    default: return status.status.word
    }
    guard let step = status.progress?.step, !step.isEmpty else {
      return status.status == .provisioning ? "looking at the source" : status.status.word
    }
    switch step {
    case "probe": return "looking at the source"
    case "ingest_vector": return "loading features"
    case "validate_raster", "validate_rasters": return "reading every pixel"
    case "process_raster": return "writing the raster"
    case "process_large_raster": return "writing the tiles"
    case "process_rasters": return "writing the scenes"
    case "create_mosaic": return "laying the scenes together"
    case "mosaic_datasets": return "laying the datasets together"
    case "generate_tile_cache": return "drawing tiles"
    case "stac_catalog_vectors", "stac_catalog_raster", "stac_catalog_collection": return "writing the catalogue"
    case "verify": return "checking what is served"
    default: return TerminalText.sanitised(step).replacing("_", with: " ")
    }
  }

  static func amount(_ progress: Progress) -> String {
    // "1 of 3 steps" beside "[2/4]" would only puzzle; what the step is doing does not.
    if progress.unit == "steps" { return TerminalText.sanitised(progress.message) }
    guard progress.done > 0 || (progress.total ?? 0) > 0, !progress.unit.isEmpty else { return "" }
    return Quantity.amount(progress.done, of: progress.total, unit: TerminalText.sanitised(progress.unit))
  }

  static func rate(_ progress: Progress) -> String {
    // Of a handful of things the speed tells nothing.
    if progress.unit == "steps" || (progress.unit != "bytes" && (progress.total ?? .max) < 20) { return "" }
    return Quantity.rate(progress.rate, unit: TerminalText.sanitised(progress.unit))
  }

  /// `1 min 40 s left (by rate)`
  func timeLeft(_ progress: Progress) -> String {
    guard let seconds = progress.etaSeconds, seconds.isFinite, seconds >= 0.5 else { return "" }
    let basis = progress.etaBasis.isEmpty ? "" : " (by \(TerminalText.sanitised(progress.etaBasis)))"
    return "\(Quantity.duration(seconds)) left\(basis)"
  }

  static func warnings(_ status: DatasetStatus) -> String {
    let total = status.warnings.reduce(Int64(0)) { $0 &+ $1.count }
    return total > 0 ? Quantity.count(total, "warning") : ""
  }

  private func padLeft(_ text: String, _ columns: Int) -> String {
    String(repeating: " ", count: max(0, columns - text.count)) + text
  }
}

extension Status {
  /// `input required`; a number this version does not know shows as itself.
  public var word: String { jsonName?.replacing("_", with: " ") ?? "status \(rawValue)" }
}

extension String {
  fileprivate var trimmingSpaces: String { String(drop { $0 == " " }) }
}
