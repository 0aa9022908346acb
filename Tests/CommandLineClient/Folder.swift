import Foundation

/// A folder of one test, removed with it.
final class Folder: Sendable {
  let root: String
  /// Above every limit Linux has for process ids.
  static let deadProcess: Int32 = 0x7FFF_FFF0

  init() throws {
    root = FileManager.default.temporaryDirectory.path + "/terrane-cli-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  func path(_ name: String) -> String { root + "/" + name }

  func write(_ name: String, _ text: String) throws {
    let file = URL(fileURLWithPath: path(name))
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
  }

  /// What a server writes down at start.
  func endpoint(_ data: String, rpc: String, pid: Int32) throws {
    try write(
      data + "/run/endpoint.json",
      """
      {"rpc":"\(rpc)","data_api":"http://127.0.0.1:7480","public_url":"http://127.0.0.1:7480","pid":\(pid),
       "version":"0.1.0","roots":["/srv/files"],"user":"terrane"}
      """)
  }

  func bundle(_ name: String) throws {
    for file in ["ca.pem", "client.pem", "client.key"] { try write(name + "/" + file, "x") }
  }
}
