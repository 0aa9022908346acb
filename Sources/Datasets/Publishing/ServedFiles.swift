internal import CoreMachine
internal import Foundation
internal import TaskProtocol

/// The files that are served, in a folder of their own: `{dataset}/{operation}/{task}-{attempt}.tif`, or `.mbtiles`. A file never changes once
/// it is there, and is there under that name only.
public struct ServedFiles: Sendable {
  /// Absolute path; on the same file system as the scratch folders.
  public let root: String

  public init(root: String) { self.root = root }

  /// The kind of ledger entry.
  public static let kind = "file"

  /// What a file is, by the ending of its name.
  enum Format: String {
    case geoTIFF = "tif"
    case tiles = "mbtiles"
  }

  static func name(_ attempt: AttemptIdentity, _ format: Format = .geoTIFF) -> String {
    "\(attempt.subject)/\(attempt.operationID)/\(attempt.taskID)-\(attempt.attempt).\(format.rawValue)"
  }

  static func isName(_ text: String) -> Bool {
    text.wholeMatch(of: /[0-9]{1,19}\/[0-9]{1,19}\/[0-9]{1,19}-[0-9]{1,10}\.(tif|mbtiles)/) != nil
  }

  /// Moves a file that a task wrote to its place. Done again after it was done, it finds it there.
  /// - Returns: its bytes.
  func take(_ path: String, as name: String) throws -> Int64 {
    let target = root + "/" + name
    var information = stat()
    guard lstat(path, &information) == 0 else {
      guard errno == ENOENT, lstat(target, &information) == 0 else { throw refused("is not there") }
      return Int64(information.st_size)
    }
    // The child is not trusted: a link would be served, and so would what is still written to under another name.
    guard information.st_mode & S_IFMT == S_IFREG, information.st_nlink == 1 else { throw refused("is no plain file") }
    try FileManager.default.createDirectory(
      atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700])
    guard chmod(path, 0o400) == 0, rename(path, target) == 0 else {
      throw refused("cannot be moved: \(String(cString: strerror(errno)))")
    }
    try flushFolders(of: target)
    return Int64(information.st_size)
  }

  /// The names, too, are on the disk before a row says so.
  private func flushFolders(of path: String) throws {
    var folder = (path as NSString).deletingLastPathComponent
    for _ in 0..<3 {
      let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard descriptor >= 0 else { throw refused("is in no folder") }
      defer { close(descriptor) }
      guard fsync(descriptor) == 0 else { throw refused("cannot be written to the disk") }
      folder = (folder as NSString).deletingLastPathComponent
    }
  }

  func exists(_ name: String) -> Bool {
    var information = stat()
    return Self.isName(name) && lstat(root + "/" + name, &information) == 0
  }

  /// Removes a file, and its folders with the last one. It may be gone already.
  public func remove(_ name: String) throws {
    guard Self.isName(name) else {
      throw Problem(.internalError, "the ledger lists a file that is none of ours: \(name.excerpt)")
    }
    let path = root + "/" + name
    guard unlink(path) == 0 || errno == ENOENT else {
      throw Problem(.internalError, "\(name) cannot be removed: \(String(cString: strerror(errno)))")
    }
    // What is not empty stays.
    let folder = (path as NSString).deletingLastPathComponent
    if rmdir(folder) == 0 { rmdir((folder as NSString).deletingLastPathComponent) }
  }

  /// The names of all files.
  public func all() -> [String] {
    guard let walker = FileManager.default.enumerator(atPath: root) else { return [] }
    return walker.compactMap { $0 as? String }.filter { !$0.hasPrefix(".") && $0.contains(".") }
  }

  private func refused(_ what: String) -> ProblemReport {
    ProblemReport(reason: "INTERNAL", message: "The raster that the task wrote \(what).")
  }
}
