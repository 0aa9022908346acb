internal import Geospatial
internal import JobTypes
internal import TaskProtocol

/// What `probe` finds out of a collection: which files it has. What is in them is looked at by a task for each.
enum CollectionProbe {
  static func run(_ parameters: ProbeParameters, _ context: TaskContext) throws -> ProbeResult {
    let roots = context.assignment.allowedRoots
    let sources =
      parameters.source.isEmpty
      ? parameters.more ?? [] : try SourcePattern.files(parameters.source, allowedRoots: roots)
    guard !sources.isEmpty else { throw GeospatialError(.sourceNotFound, "The collection has no files.") }
    guard sources.count <= SourcePattern.mostFiles else {
      throw GeospatialError(
        .tooManyFiles, "The collection has \(sources.count) files; \(SourcePattern.mostFiles) are allowed.")
    }
    var files: [CollectionFile] = []
    var ids: Set<String> = []
    var parts: [SourcePart] = []
    for source in sources {
      let found = try Self.files(SourceAddress(source, allowedRoots: roots))
      let pin = SourcePin(found)
      files.append(CollectionFile(id: id(found.parts[0].name, unlike: &ids), source: source, pin: pin))
      parts += found.parts.map { SourcePart(name: $0.path, size: $0.size, mtimeNs: $0.mtimeNs) }
      try context.reporter.progress(
        "list", unit: "files", done: Int64(files.count), total: Int64(sources.count), message: "Looking at the files")
    }
    try check(sources[0], parameters, roots)
    return ProbeResult(
      pin: SourcePin(
        size: parts.reduce(0) { $0 + $1.size }, mtimeNs: parts.map(\.mtimeNs).max() ?? 0, parts: parts),
      driver: "GTiff", route: "raster_collection", layers: [], allLayers: [], versions: .current, files: files)
  }

  /// What the request asks for, looked at with the first file: all are to be alike. What is wrong with the file itself is told of by
  /// the task that reads it.
  private static func check(_ source: String, _ parameters: ProbeParameters, _ roots: [String]) throws {
    guard let first = try? RasterSource(SourceAddress(source, allowedRoots: roots)).open(crs: parameters.crs) else {
      return
    }
    guard (try? first.footprint()) != nil else { return }
    do { _ = try RasterProbe.size(first, parameters.wishes) } catch let error as GeospatialError
      where [.optionUnsuitable, .crsInvalid].contains(error.code)
    { throw error } catch is GeospatialError {}
  }

  /// What is pinned of a file. What is no raster is told of by the task that looks into it, with all others that are none.
  private static func files(_ address: SourceAddress) throws -> SourceFiles {
    do { return try RasterSource(address).files } catch
      where [.sourceEmpty, .sourceCorrupt, .formatUnsupported].contains(error.code)
    { return try SourceFiles(file: address.path) }
  }

  /// A file's name without its ending, of letters, digits, `.`, `_` and `-` only; with a number where it was taken.
  static func id(_ name: String, unlike taken: inout Set<String>) -> String {
    let stem = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
    let plain = String(
      stem.prefix(100).map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "_" })
    return unique(plain.isEmpty || plain.hasPrefix(".") ? "scene" + plain : plain, unlike: &taken)
  }

  /// With a number where it was taken. An id with the ending of a file's address (`/scenes/{id}.tif`) would be taken for it.
  static func unique(_ wanted: String, unlike taken: inout Set<String>) -> String {
    let base = [".tif", ".png"].contains { wanted.hasSuffix($0) } ? wanted + "_" : wanted
    var id = base
    var number = 2
    while !taken.insert(id).inserted {
      id = "\(base)-\(number)"
      number += 1
    }
    return id
  }
}

/// `validate_rasters`, one file: what is wrong with it is its result, so that all that is wrong is known at once.
enum ValidateFileHandler: TaskHandler {
  static let version: Int32 = 1

  static func run(_ context: TaskContext) throws -> String {
    let parameters = try context.parameters(ValidateFileParameters.self)
    let file = parameters.file
    let name = file.pin.parts.first?.name ?? file.id
    do {
      let valid = try ValidateRasterHandler.validate(
        ValidateRasterParameters(source: file.source, pin: file.pin, crs: parameters.crs), context)
      return try JSONText.encode(ValidateFileResult(id: file.id, name: name, valid: valid))
    } catch let error as GeospatialError {
      var warnings = WarningTally()
      warnings.add(.fileRejected, layer: name, detail: "\(error.code.rawValue): \(error.message)")
      context.report(warnings)
      return try JSONText.encode(
        ValidateFileResult(
          id: file.id, name: name, valid: nil, reason: error.code.rawValue, message: error.message))
    }
  }
}
