#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

extension CoreMachine {
  /// Makes the scratch root and empties it: what is in it belongs to children that died with a former start.
  static func emptyScratch(_ root: String) throws {
    let files = FileManager.default
    try files.createDirectory(atPath: root, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    for name in try files.contentsOfDirectory(atPath: root) { try files.removeItem(atPath: "\(root)/\(name)") }
  }
}
