/// What a .zip holds.
enum ArchiveContents {
  /// The one dataset of the archive: its format, and the name of its entry.
  static func only(_ zip: ZipDirectory) throws(GeospatialError) -> (VectorFormat, String) {
    let names = zip.entries.filter { !$0.isFolder && !$0.name.hasPrefix("__MACOSX/") }.map(\.name)
    if let pointer = names.first(where: { $0.lowercased().hasSuffix(".vrt") }) {
      throw VectorSource.refused("an archive with \(pointer)")
    }
    let shapes = names.filter { $0.lowercased().hasSuffix(".shp") }
    let geodatabases = Set(names.compactMap(geodatabase)).sorted()
    let found = shapes + geodatabases
    guard let only = found.first else {
      throw GeospatialError(
        .formatUnsupported, "The archive holds neither a shapefile nor a File Geodatabase.",
        details: ["entries": names.prefix(50).joined(separator: ", ")])
    }
    guard found.count == 1 else {
      throw GeospatialError(
        .archiveAmbiguous, "The archive holds \(found.count) datasets; one is allowed.",
        details: ["datasets": found.prefix(50).joined(separator: ", ")])
    }
    guard !shapes.isEmpty else {
      try requireCatalog(of: only, names)
      return (.fileGeodatabase, only)
    }
    try requireParts(of: only, names)
    return (.shapefile, only)
  }

  /// The folder NAME.gdb that an entry lies in.
  private static func geodatabase(_ name: String) -> String? {
    let parts = name.split(separator: "/")
    guard let index = parts.dropLast().firstIndex(where: { $0.lowercased().hasSuffix(".gdb") }) else { return nil }
    return parts[...index].joined(separator: "/")
  }

  private static func requireCatalog(of folder: String, _ names: [String]) throws(GeospatialError) {
    for part in ["a00000001.gdbtable", "a00000001.gdbtablx"]
    where !names.contains(where: { $0.lowercased() == "\(folder.lowercased())/\(part)" }) {
      throw GeospatialError(
        .sourceIncomplete, "The geodatabase \(folder) has no \(part), its table of tables.", details: ["missing": part])
    }
  }

  private static func requireParts(of shape: String, _ names: [String]) throws(GeospatialError) {
    let present = Set(names.map { $0.lowercased() })
    for suffix in ["shx", "dbf"] where !present.contains(shape.lowercased().dropLast(3) + suffix) {
      throw GeospatialError(
        .sourceIncomplete, "The archive has no .\(suffix) beside \(shape).", details: ["missing": suffix])
    }
  }
}
