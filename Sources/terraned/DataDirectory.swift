internal import CProcess
internal import Datasets
internal import Foundation

/// DATA: who owns it, who holds it, and what lies where.
struct DataDirectory {
  let path: String
  private let lock: Int32

  var credentials: String { Self.credentials(of: path) }
  var cluster: String { Self.cluster(of: path) }
  var scratch: String { path + "/scratch" }
  /// What is served as files: rasters.
  var files: String { Self.files(of: path) }
  var servedFiles: ServedFiles { ServedFiles(root: files) }
  var run: String { path + "/run" }
  var endpointFile: String { run + "/endpoint.json" }

  /// While it is there, what else is there is half of something.
  private var restoreMark: String { path + "/restoring" }

  static func credentials(of data: String) -> String { data + "/credentials" }
  static func files(of data: String) -> String { data + "/files" }
  static func cluster(of data: String) -> String { data + "/postgresql/cluster" }

  /// Makes the folders, and takes the lock that lives as long as we do.
  /// - Parameter restoring: to be filled from a backup, then `finishRestore`.
  init(_ settings: Settings, restoring: Bool = false) throws {
    path = settings.data
    for folder in ["", "/postgresql", "/scratch", "/files", "/run", "/credentials"] {
      // Credentials lie in folders of their own modes; all a member of the group needs here is to walk through.
      try Self.makeFolder(path + folder, mode: ["/postgresql", "/scratch", "/files"].contains(folder) ? 0o700 : 0o755)
    }
    var descriptor: Int32 = -1
    var holder: pid_t = 0
    let error = cprocess_lock_file(path + "/lock", &descriptor, &holder)
    if error == EWOULDBLOCK {
      throw StartError(
        "\(path) is in use by another terraned, process \(holder). Stop that one, or choose another folder with --data."
      )
    }
    guard error == 0 else { throw StartError("cannot lock \(path)/lock: \(String(cString: strerror(error)))") }
    lock = descriptor
    if restoring {
      guard FileManager.default.createFile(atPath: restoreMark, contents: nil) else {
        throw StartError("cannot write \(restoreMark)")
      }
    } else if FileManager.default.fileExists(atPath: restoreMark) {
      throw StartError("a restore of \(path) was cut short; remove the folder and restore the backup again")
    }
  }

  /// Whole, or empty again.
  func finishRestore() { unlink(restoreMark) }

  private static func makeFolder(_ path: String, mode: mode_t) throws {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: Int(mode)])
    } catch { throw StartError("cannot make \(path): \(error.localizedDescription) (as user \(NSUserName()))") }
    guard access(path, W_OK | X_OK) == 0 else {
      throw StartError(
        "user \(NSUserName()) cannot write to \(path); give it the folder, or choose another with --data")
    }
  }

  /// Tells clients on this machine where we listen. Written whole, then moved into place.
  func writeEndpoint(_ endpoint: Endpoint) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try encoder.encode(endpoint).write(to: URL(fileURLWithPath: endpointFile), options: .atomic)
    chmod(endpointFile, 0o644)
  }

  func removeEndpoint() { unlink(endpointFile) }

  struct Endpoint: Codable {
    var rpc: String
    var data_api: String
    var public_url: String
    var pid: Int32
    var version: String
    var roots: [String]
    var user: String
  }
}
