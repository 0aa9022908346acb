/// KML and its archive, KMZ, before a reader sees them.
enum KMLFile {
  /// Most bytes of KML: its reader keeps all of it in memory, at several times its size.
  static let limit: Int64 = 256 << 20

  static func check(_ path: String, head: [UInt8], isArchive: Bool) throws(GeospatialError) {
    guard !isArchive else { return try checkArchive(ZipDirectory(path: path)) }
    let text = String(decoding: head, as: UTF8.self)
    guard text.contains("<") else {
      throw GeospatialError(.sourceCorrupt, "The file is called .kml but is no XML.", byte: 0)
    }
    // Entities can name other files, and grow without bound; KML has no use for either.
    if text.contains("<!DOCTYPE") || text.contains("<!ENTITY") {
      throw GeospatialError(
        .formatRefused, "The KML declares a document type, which can point at other data; it is never read.")
    }
    try judge(FileBytes(path)?.size ?? 0)
  }

  private static func checkArchive(_ zip: ZipDirectory) throws(GeospatialError) {
    let documents = zip.entries.filter { $0.name.lowercased().hasSuffix(".kml") }
    guard !documents.isEmpty else {
      throw GeospatialError(
        .sourceCorrupt, "The archive holds no KML.",
        details: ["entries": zip.entries.prefix(50).map(\.name).joined(separator: ", ")])
    }
    try judge(Int64(clamping: documents.reduce(0) { $0 + min($1.uncompressed, 1 << 40) }))
  }

  private static func judge(_ size: Int64) throws(GeospatialError) {
    guard size <= limit else {
      throw GeospatialError(
        .sourceTooLarge,
        "The KML has \(size >> 20) MiB; \(limit >> 20) MiB are read, since all of it has to be in memory.",
        details: ["bytes": "\(size)", "limit": "\(limit)"])
    }
  }
}
