internal import Glibc

/// The address of a source, resolved to a real file under an allowed root.
public struct SourceAddress: Sendable, Equatable {
  /// Real path: absolute, no symbolic links.
  public let path: String
  /// Real paths of the allowed roots.
  private let roots: [String]

  /// Resolves `address`.
  ///
  /// - Parameters:
  ///   - address: `file:///absolute/path`, percent-encoded.
  ///   - roots: folders under which sources may lie; links in them are resolved too. Empty: nothing is allowed.
  public init(_ address: String, allowedRoots roots: [String]) throws(GeospatialError) {
    let path = try Self.path(of: address)
    guard let real = Self.realPath(path) else { throw Self.unresolved(path, errno) }
    self.roots = roots.compactMap(Self.realPath)
    self.path = real
    // Asked before anything about the file is told: outside the roots nobody learns what is in it.
    guard contains(real) else { throw Self.outside(address) }
  }

  /// Fails unless `path`, a file found beside the source, really lies under the roots too.
  func requireInside(_ path: String) throws(GeospatialError) {
    guard let real = Self.realPath(path) else { throw Self.unresolved(path, errno) }
    guard contains(real) else { throw Self.outside(path) }
  }

  private func contains(_ real: String) -> Bool {
    !real.hasPrefix("/vsi") && roots.contains { $0 == "/" || real == $0 || real.hasPrefix($0 + "/") }
  }

  private static func outside(_ address: String) -> GeospatialError {
    GeospatialError(
      .sourceOutsideRoots, "The source \(address) is not under a folder this server may read from.")
  }

  private static func unresolved(_ path: String, _ code: Int32) -> GeospatialError {
    switch code {
    case EACCES, EPERM: return unreadable(path)
    case ELOOP: return GeospatialError(.sourceInvalid, "Symbolic links go round in circles: \(path).")
    case ENAMETOOLONG: return GeospatialError(.sourceInvalid, "The path is too long.")
    default: return GeospatialError(.sourceNotFound, "There is no file \(path).")
    }
  }

  /// The reason for a file the operating system does not let us read; names the user so that somebody can mend it.
  static func unreadable(_ path: String) -> GeospatialError {
    let uid = geteuid()
    var user = "uid \(uid)"
    if let entry = getpwuid(uid), let name = entry.pointee.pw_name { user = String(cString: name) }
    return GeospatialError(
      .sourceUnreadable, "The operating system user \(user) may not read \(path).", details: ["os_user": user])
  }

  static func realPath(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    return String(cString: real)
  }

  /// The path in a `file://` URL. Other schemes are refused by name.
  static func path(of address: String) throws(GeospatialError) -> String {
    guard let separator = address.firstIndex(of: ":") else {
      throw GeospatialError(.sourceInvalid, "The source is no URL; write file:///absolute/path.")
    }
    let scheme = address[..<separator].lowercased()
    guard scheme == "file" else {
      throw GeospatialError(
        .sourceSchemeUnsupported, "Sources of the scheme \(scheme.prefix(32)): are not supported; file:// is.",
        details: ["scheme": String(scheme.prefix(32))])
    }
    var rest = address[address.index(after: separator)...]
    guard rest.hasPrefix("//") else { throw GeospatialError(.sourceInvalid, "A file URL begins with file:///.") }
    rest = rest.dropFirst(2)
    let host = rest.prefix { $0 != "/" }
    guard host.isEmpty || host.lowercased() == "localhost" else {
      throw GeospatialError(.sourceInvalid, "A file URL names no host.")
    }
    rest = rest.dropFirst(host.count)
    guard !rest.contains("?"), !rest.contains("#") else {
      throw GeospatialError(.sourceInvalid, "A file URL has no query; write ? as %3F and # as %23.")
    }
    guard let bytes = percentDecoded(rest), let path = String(validating: bytes, as: UTF8.self) else {
      throw GeospatialError(.sourceInvalid, "The file URL is not valid percent-encoded UTF-8.")
    }
    guard path.hasPrefix("/"), !bytes.contains(0), bytes.count < Int(PATH_MAX) else {
      throw GeospatialError(.sourceInvalid, "A file URL holds an absolute path.")
    }
    return path
  }

  private static func percentDecoded(_ text: Substring) -> [UInt8]? {
    var result: [UInt8] = []
    var bytes = text.utf8.makeIterator()
    while let byte = bytes.next() {
      guard byte == UInt8(ascii: "%") else {
        result.append(byte)
        continue
      }
      guard let high = bytes.next().flatMap(hexDigit), let low = bytes.next().flatMap(hexDigit) else { return nil }
      result.append(high << 4 | low)
    }
    return result
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
