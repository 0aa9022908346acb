internal import COpenSSL
internal import Glibc

/// The files a source is made of: the main file first, then its siblings.
public struct SourceFiles: Sendable, Equatable {
  /// One file as it was seen.
  public struct Part: Sendable, Equatable {
    public var path: String
    public var size: Int64
    /// Modification time, nanoseconds since 1970.
    public var mtimeNs: Int64
    /// File name without its folder.
    public var name: String {
      String(path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...])
    }
  }

  public private(set) var parts: [Part]

  /// Bytes of all parts.
  public var size: Int64 { parts.reduce(0) { $0 + $1.size } }
  /// Latest modification time, nanoseconds since 1970.
  public var mtimeNs: Int64 { parts.map(\.mtimeNs).max() ?? 0 }

  /// One file of our own.
  public init(file: String) throws(GeospatialError) { try self.init(main: file, siblings: []) }

  /// Looks at the files. A missing main file or an unreadable one fails; siblings that are not there are left out.
  init(main: String, siblings: [String]) throws(GeospatialError) {
    parts = [try Self.look(at: main)]
    for sibling in siblings where access(sibling, F_OK) == 0 { parts.append(try Self.look(at: sibling)) }
  }

  /// Fails with `SOURCE_CHANGED` if a part is not as it was, with `SOURCE_NOT_FOUND` if it is gone.
  public func requireUnchanged() throws(GeospatialError) {
    for part in parts {
      var info = stat()
      let isThere = stat(part.path, &info) == 0
      if !isThere, errno == ENOENT {
        throw GeospatialError(.sourceNotFound, "\(part.name) was removed while it was being read.")
      }
      guard isThere, Self.part(part.path, info) == part else {
        throw GeospatialError(.sourceChanged, "\(part.name) changed while it was being read.")
      }
    }
  }

  private static func look(at path: String) throws(GeospatialError) -> Part {
    // O_NONBLOCK: a named pipe must not hold us up before we see what it is.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == EACCES || errno == EPERM { throw SourceAddress.unreadable(path) }
      throw GeospatialError(.sourceNotFound, "There is no file \(path).")
    }
    defer { close(descriptor) }
    var info = stat()
    guard fstat(descriptor, &info) == 0 else { throw GeospatialError(.sourceNotFound, "There is no file \(path).") }
    guard info.st_mode & S_IFMT == S_IFREG else {
      let isFolder = info.st_mode & S_IFMT == S_IFDIR
      throw GeospatialError(
        .formatUnsupported,
        isFolder
          ? "\(path) is a folder, not a file. A folder's rasters are a raster collection: \(path)/*.tif"
          : "\(path) is a device, not a file.")
    }
    return part(path, info)
  }

  private static func part(_ path: String, _ info: stat) -> Part {
    Part(
      path: path, size: Int64(info.st_size),
      mtimeNs: Int64(info.st_mtim.tv_sec) * 1_000_000_000 + Int64(info.st_mtim.tv_nsec))
  }

  /// SHA-256 of the source in hex: of the file itself, or of the lines `name NUL sha256-hex LF` of several parts.
  public func sha256(continuing: () -> Bool = { true }) throws(GeospatialError) -> String {
    var digests: [(name: String, hex: String)] = []
    for part in parts { digests.append((part.name, try Self.sha256(of: part.path, continuing: continuing))) }
    if digests.count == 1 { return digests[0].hex }
    let lines = digests.map { "\($0.name)\0\($0.hex)\n" }.joined()
    var digest = [UInt8](repeating: 0, count: 32)
    EVP_Digest(Array(lines.utf8), lines.utf8.count, &digest, nil, EVP_sha256(), nil)
    return hex(digest)
  }

  private static func sha256(of path: String, continuing: () -> Bool) throws(GeospatialError) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SourceAddress.unreadable(path) }
    defer { close(descriptor) }
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      throw GeospatialError(.outOfMemory, "No memory for a digest.")
    }
    defer { EVP_MD_CTX_free(context) }
    let capacity = 1 << 18
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    defer { buffer.deallocate() }
    while continuing() {
      let count = read(descriptor, buffer, capacity)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw GeospatialError(.readError, "\(path) cannot be read: errno \(errno).") }
      if count == 0 { break }
      EVP_DigestUpdate(context, buffer, count)
    }
    var digest = [UInt8](repeating: 0, count: 32)
    EVP_DigestFinal_ex(context, &digest, nil)
    return hex(digest)
  }
}

/// Lower-case hex of bytes.
func hex(_ bytes: [UInt8]) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
