import FramedMessages
public import TerraneMessages

/// A dataset as text: what it offers once it is ready, why it failed, or how far it is.
public struct DatasetReport: Sendable {
  public var columns: Int
  public var unicode: Bool
  public var endpoint: EndpointFile?
  /// How this program was called, for lines that are to be copied.
  public var program: String

  public init(columns: Int, unicode: Bool, endpoint: EndpointFile? = nil, program: String = "terrane") {
    self.columns = columns
    self.unicode = unicode
    self.endpoint = endpoint
    self.program = program
  }

  public func text(_ dataset: Dataset) -> String {
    switch dataset.status {
    case .failed: failure(dataset)
    case .cancelled: cancelled(dataset)
    case .ready, .updating, .deprecated: served(dataset)
    case .deleted: deleted(dataset)
    default: underway(dataset)
    }
  }

  private func heading(_ dataset: Dataset) -> String {
    "\(dataset.status.word.uppercased())  \(named(dataset))"
  }

  private func named(_ dataset: Dataset) -> String {
    TerminalText.sanitised(DatasetReference(dataset.name, key: dataset.datasetKey).description)
  }

  private func served(_ dataset: Dataset) -> String {
    var block = TextBlock(columns: columns)
    guard let result = dataset.result else {
      block.line(heading(dataset))
      return block.text
    }
    guard result.rasters.isEmpty else {
      return RasterReport(columns: columns).text(
        dataset, result, heading: heading(dataset) + took(dataset), places: places(dataset), end: end(dataset))
    }
    let size = Quantity.count(result.featureCount, "feature")
    let collections = Quantity.count(Int64(result.collections.count), "collection")
    block.line("\(heading(dataset))  \(size) in \(collections)\(took(dataset))")
    block.line()
    block.fact("Data", TerminalText.sanitised(result.endpoint))
    block.fact("QGIS", "Layer > Add Layer > Add WFS / OGC API - Features Layer, New; URL:")
    block.fact("", TerminalText.sanitised(result.endpoint))
    block.fact(
      "Browser", TerminalText.sanitised(result.endpoint.hasSuffix("/") ? result.endpoint : result.endpoint + "/"))
    for (index, collection) in result.collections.prefix(3).enumerated() where !collection.tilesURL.isEmpty {
      block.fact(index == 0 ? "Vector tiles" : "", TerminalText.sanitised(collection.tilesURL))
    }
    block.fact("STAC item", TerminalText.sanitised(result.stacItemURL))
    block.line()
    block.line("  Collections")
    block.table(result.collections.prefix(50).map(row))
    if result.collections.contains(where: { $0.columnCount > 0 || !$0.columns.isEmpty }) {
      block.line("    columns: \(program) get \(named(dataset)) --columns")
    }
    if result.collections.count > 50 { block.line("    and \(result.collections.count - 50) more") }
    treatment(dataset, result, into: &block)
    return block.text + end(dataset)
  }

  /// What goes on beside what is served, or went wrong.
  private func end(_ dataset: Dataset) -> String {
    var block = TextBlock(columns: columns)
    if dataset.status == .updating, let progress = dataset.progress {
      block.line()
      block.fact("Update", StatusLine(unicode: unicode).plain(DatasetStatus(of: dataset, progress: progress)))
    }
    // Of a stream's status too, which has the operation alone.
    if let last = dataset.lastOperation ?? dataset.operation, [.failed, .cancelled].contains(last.state) {
      block.line()
      let outcome = last.problem.map { problem in
        // The sentence goes on.
        let message = problem.message.hasSuffix(".") ? String(problem.message.dropLast()) : problem.message
        return "\(problem.reason): \(TerminalText.sanitised(message))"
      }
      block.fact("Last update", (outcome ?? "cancelled") + "; the older build is served on")
      if let remedy = last.problem?.remedy, !remedy.isEmpty { block.fact("", TerminalText.sanitised(remedy)) }
      block.fact("Next", "\(program) reprocess \(named(dataset)) --watch")
      if last.problem?.isOfRequest == true {
        block.fact("", "\(program) create ... --watch (another request: under another version id)")
      }
    }
    return block.text
  }

  private func row(_ collection: ServedCollection) -> [String] {
    let count = collection.columns.isEmpty ? Int64(collection.columnCount) : Int64(collection.columns.count)
    return [
      TerminalText.sanitised(collection.id), Quantity.count(collection.featureCount, "feature"),
      collection.geometryType.isEmpty ? "no geometry" : TerminalText.sanitised(collection.geometryType),
      Quantity.count(count, "column"),
    ]
  }

  /// What was done to the data on its way. A user must never have to find that out alone.
  private func treatment(_ dataset: Dataset, _ result: DatasetResult, into block: inout TextBlock) {
    var lines: [String] = []
    // Warnings whose content has a line of its own.
    var said: Set<String> = []
    if let treatment = result.treatment {
      let format = TerminalText.sanitised(treatment.sourceFormat)
      let source = Quantity.count(treatment.sourceFeatures, "feature")
      lines.append("read \(source)\(format.isEmpty ? "" : " from \(format)")")
      let crs = TerminalText.sanitised(treatment.sourceCrs)
      if !crs.isEmpty {
        let target = result.crs.isEmpty ? "EPSG:4326" : TerminalText.sanitised(result.crs)
        lines.append(crs == target ? "coordinates left in \(crs)" : "coordinates moved from \(crs) to \(target)")
      }
      for (count, what, reason) in [
        (treatment.droppedNullGeometries, "without geometry left out", "NULL_GEOMETRY"),
        (treatment.repairedGeometries, "with geometry repaired", "GEOMETRY_REPAIRED"),
        (treatment.zDropped, "without their Z values", "Z_DROPPED"),
      ] where count > 0 {
        lines.append("\(Quantity.count(count, "feature")) \(what)")
        said.insert(reason)
      }
    }
    let renamed = result.collections.flatMap(\.columns).filter { !$0.sourceName.isEmpty && $0.sourceName != $0.name }
    if !renamed.isEmpty {
      said.insert("COLUMNS_RENAMED")
      let names = renamed.prefix(10).map { TerminalText.sanitised("\($0.sourceName) is now \($0.name)") }
      let more = renamed.count > 10 ? ", and \(renamed.count - 10) more" : ""
      lines.append("\(Quantity.count(Int64(renamed.count), "column")) renamed: \(names.joined(separator: ", "))\(more)")
    } else if let count = result.treatment?.renamedColumns, count > 0 {
      lines.append("\(Quantity.count(Int64(count), "column")) renamed")
    }
    // Warnings are the newest operation's, which need not be the one that is served.
    let isServed = dataset.operation?.state == .succeeded || dataset.operation == nil
    lines += dataset.warnings.filter { _ in isServed }.filter { $0.count > 0 && !said.contains($0.reason) }.map {
      "warning " + WarningText.line($0)
    }
    guard !lines.isEmpty else { return }
    block.line()
    block.line("  What was done to the data")
    for line in lines {
      for (index, text) in TerminalText.wrapped(line, to: columns - 6).enumerated() {
        block.line((index == 0 ? "    - " : "      ") + text)
      }
    }
    let places = places(dataset)
    if !places.isEmpty { block.line("    \(places)") }
  }

  /// Where the places of what was counted are told; empty where nothing was.
  private func places(_ dataset: Dataset) -> String {
    // As above: the log is the newest operation's too.
    let isServed = dataset.result == nil || dataset.operation == nil || dataset.operation?.state == .succeeded
    guard isServed, dataset.warnings.contains(where: { $0.count > 0 }) else { return "" }
    return "places: \(program) log \(named(dataset))"
  }

  private func took(_ dataset: Dataset) -> String {
    guard let operation = dataset.operation, operation.state == .succeeded,
      let start = operation.startTime?.nanosecondsSince1970,
      let end = operation.endTime?.nanosecondsSince1970, end >= start
    else { return "" }
    return "  in \(Quantity.duration(Double(end - start) / 1e9))"
  }

  private func failure(_ dataset: Dataset) -> String {
    let problem =
      dataset.problem ?? dataset.operation?.problem ?? Problem(reason: "UNKNOWN", message: "No reason was given.")
    let reference = named(dataset)
    var next: [String] = []
    if problem.userFixable {
      // What failed was never served: the server lets another request take its place, without a delete.
      let how = problem.isOfRequest ? "asked anew, with its options mended" : "with other options"
      next.append("\(program) create \(reference) ... --watch (\(how); replaces this try)")
    }
    if !problem.isOfRequest || !problem.userFixable {
      let again = problem.userFixable ? "the same request, once its source is mended" : "the same request again"
      next.append("\(program) retry \(reference) --watch (\(again))")
    }
    var text = ProblemReport(columns: columns, endpoint: endpoint).text(problem, heading: heading(dataset), next: next)
    for warning in dataset.warnings where warning.count > 0 { text += "  warning " + WarningText.line(warning) + "\n" }
    let places = places(dataset)
    return places.isEmpty ? text : text + "  \(places)\n"
  }

  private func cancelled(_ dataset: Dataset) -> String {
    var block = TextBlock(columns: columns)
    block.line("\(heading(dataset))  nothing was published")
    block.fact("Next", "\(program) retry \(named(dataset)) --watch")
    return block.text
  }

  private func deleted(_ dataset: Dataset) -> String {
    var block = TextBlock(columns: columns)
    switch dataset.state {
    case .purged: block.line("\(heading(dataset))  purged: nothing of it is left")
    case .purging: block.line("\(heading(dataset))  being purged; its name is free already")
    default:
      // A create that did not end well is all there ever was.
      let wasServed = dataset.operation.map { $0.kind != .create || $0.state == .succeeded } ?? true
      block.line("\(heading(dataset))  \(wasServed ? "no longer served" : "it was never served")")
      if let time = dataset.purgeTime?.nanosecondsSince1970 {
        block.fact("Purged on", CivilTime(nanosecondsSince1970: time).minute + " UTC")
      }
      let reference = named(dataset)
      block.fact("Next", "\(program) undelete \(reference) (brings it back)")
      block.fact("", "\(program) purge \(reference) (removes it for good)")
    }
    return block.text
  }

  private func underway(_ dataset: Dataset) -> String {
    var block = TextBlock(columns: columns)
    let line = StatusLine(unicode: unicode).plain(DatasetStatus(of: dataset, progress: dataset.progress))
    block.line("\(heading(dataset))  \(line)")
    for warning in dataset.warnings where warning.count > 0 { block.line("  warning " + WarningText.line(warning)) }
    let places = places(dataset)
    if !places.isEmpty { block.line("  \(places)") }
    block.fact("Next", "\(program) watch \(named(dataset))")
    return block.text
  }
}

extension Problem {
  /// Whether the same request would fail again: it is the request that has to change.
  fileprivate var isOfRequest: Bool {
    category == .request || ["CRS_MISSING", "CRS_CONFLICT"].contains(reason)
  }
}

extension DatasetReference {
  /// A record's name; its key where it has none.
  public init(_ name: DatasetName?, key: String) {
    guard let name, !name.datasetID.isEmpty else {
      self = .key(key)
      return
    }
    self = .name(
      namespace: name.namespace, dataset: name.datasetID, resource: name.resourceID, version: name.versionID)
  }

  /// As it stands in requests.
  public var message: DatasetRef {
    switch self {
    case .key(let key): DatasetRef(by: .datasetKey(key))
    case .name(let namespace, let dataset, let resource, let version):
      DatasetRef(
        by: .name(
          DatasetName(namespace: namespace, datasetID: dataset, resourceID: resource, versionID: version)))
    }
  }
}

extension DatasetStatus {
  init(of dataset: Dataset, progress: Progress?) {
    self.init(
      datasetKey: dataset.datasetKey, generation: dataset.generation, status: dataset.status,
      operation: dataset.operation, progress: progress, warnings: dataset.warnings, name: dataset.name)
  }
}

extension Dataset {
  /// What a stream said, as a record: for when the record itself cannot be had.
  public init(_ status: DatasetStatus) {
    self.init(
      datasetKey: status.datasetKey, name: status.name, generation: status.generation, status: status.status,
      operation: status.operation, progress: status.progress, problem: status.problem, warnings: status.warnings,
      result: status.result, updateTime: status.updateTime)
  }
}
