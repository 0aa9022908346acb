/// A GeoTIFF that was found, recognised by name and content, with the files beside it that belong to it.
public struct RasterSource: Sendable {
  public let files: SourceFiles
  /// Real path of the GeoTIFF.
  public let path: String

  /// Recognises the source at `address`.
  public init(_ address: SourceAddress) throws(GeospatialError) {
    path = address.path
    let name = path.lowercased()
    if name.hasSuffix(".vrt") { throw VectorSource.refused("a VRT file") }
    let main = try SourceFiles(main: path, siblings: [])
    guard main.size > 0 else { throw GeospatialError(.sourceEmpty, "The file is empty.") }
    let suffix = name.split(separator: "/").last?.split(separator: ".").last.map(String.init) ?? ""
    guard Self.suffixes.contains(suffix) else {
      throw GeospatialError(
        .formatUnsupported,
        "Nothing reads .\(suffix.prefix(32)) files as rasters. What is read: GeoTIFF (.tif, .tiff).")
    }
    guard Self.isTIFF(path) else {
      throw GeospatialError(.sourceCorrupt, "The file does not begin as a TIFF does.")
    }
    var siblings: [String] = []
    for sibling in Self.siblings(of: path) where SourceAddress.realPath(sibling) != nil {
      try address.requireInside(sibling)
      // GDAL would read a mask in any format, also in one that points elsewhere.
      if !sibling.hasSuffix(".msk") || Self.isTIFF(sibling) { siblings.append(sibling) }
    }
    files = try SourceFiles(main: path, siblings: siblings)
  }

  /// Opens it. `crs`: what the request says.
  public func open(crs: String?) throws(GeospatialError) -> RasterDataset {
    try RasterDataset(path: path, siblings: files.parts.dropFirst().map(\.name), requestedCRS: crs)
  }

  static let suffixes: Set<String> = ["tif", "tiff", "gtif", "gtiff"]

  /// Classic and big TIFF, in either order of bytes.
  private static func isTIFF(_ path: String) -> Bool {
    let head = FileBytes(path)?.read(at: 0, count: 4) ?? []
    return [[0x49, 0x49, 42, 0], [0x4D, 0x4D, 0, 42], [0x49, 0x49, 43, 0], [0x4D, 0x4D, 0, 43]].contains(head)
  }

  /// Where the pixels lie, and what GDAL itself has noted; pixels that are nothing. Overviews are made anew.
  private static func siblings(of path: String) -> [String] {
    let dot = path.lastIndex(of: ".") ?? path.endIndex
    let base = String(path[..<dot])
    let suffix = String(path[path.index(after: dot)...])
    let world = suffix.count > 2 ? "\(suffix.first!)\(suffix.last!)w" : "tfw"
    let names = [base + "." + world, path + "w", base + ".wld", base + "." + world.uppercased()]
    return [path + ".aux.xml", path + ".msk"] + names.uniqued()
  }
}

extension [String] {
  /// Each once, in order.
  fileprivate func uniqued() -> [String] {
    var seen: Set<String> = []
    return filter { seen.insert($0).inserted }
  }
}
