internal import Glibc

/// A folder and a pattern for the names in it: `file:///data/scenes/*.tif`.
public struct SourcePattern {
  /// Most files of one collection.
  public static let mostFiles = 1_000

  /// The files that match, by name. Nothing is opened.
  ///
  /// - Parameters:
  ///   - address: `file://` with an absolute path whose last part may hold `*`, `?` and `[…]`.
  ///   - roots: folders under which sources may lie.
  public static func files(_ address: String, allowedRoots roots: [String]) throws(GeospatialError) -> [String] {
    let path = try SourceAddress.path(of: address)
    guard let slash = path.lastIndex(of: "/") else { throw Self.nothing(address) }
    let folder = slash == path.startIndex ? "/" : String(path[..<slash])
    let pattern = String(path[path.index(after: slash)...])
    guard !folder.contains(where: { "*?[".contains($0) }) else {
      throw GeospatialError(.sourceInvalid, "Only the last part of a pattern may hold *, ? and [.")
    }
    // Asked before the folder is read: outside the roots nobody learns what is in it.
    let real = try SourceAddress("file://" + Self.escaped(folder), allowedRoots: roots).path
    guard let directory = opendir(real) else { throw Self.nothing(address) }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard !name.hasPrefix("."), fnmatch(pattern, name, FNM_PERIOD) == 0 else { continue }
      names.append(name)
      guard names.count <= mostFiles else {
        throw GeospatialError(
          .tooManyFiles, "More than \(mostFiles) files match \(address).", details: ["most": "\(mostFiles)"])
      }
    }
    guard !names.isEmpty else { throw Self.nothing(address) }
    return names.sorted().map { "file://" + Self.escaped(real + "/" + $0) }
  }

  private static func nothing(_ address: String) -> GeospatialError {
    GeospatialError(.sourceNotFound, "No file matches \(address).")
  }

  /// A path as it stands in a URL.
  private static func escaped(_ path: String) -> String {
    let digits = Array("0123456789ABCDEF")
    return path.utf8.map { byte in
      let isPlain =
        (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122)
        || "/-._~".utf8.contains(byte)
      return isPlain ? String(UnicodeScalar(byte)) : "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
    }.joined()
  }
}
