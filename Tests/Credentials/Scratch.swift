import Credentials
import Foundation

/// A directory of one test, removed with it, and OpenSSL's command line as the judge.
final class Scratch: Sendable {
  let root: String

  init() throws {
    root = FileManager.default.temporaryDirectory.path + "/terrane-credentials-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  func path(_ name: String) -> String { root + "/" + name }

  func store(daysFromNow days: Double = 0) -> CredentialStore {
    CredentialStore(directory: path("credentials")) { Date().addingTimeInterval(days * 86_400) }
  }

  func mode(_ name: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path(name))
    return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? -1
  }

  /// Every file of the store by its name.
  func contents() throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: path("credentials")) {
      files[name] = FileManager.default.contents(atPath: path("credentials/" + name))
    }
    return files
  }

  struct Refused: Error { let output: String }

  @discardableResult
  func openssl(_ arguments: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Refused(output: output) }
    return output
  }
}
