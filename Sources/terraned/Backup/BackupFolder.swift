internal import Datasets
internal import Foundation

/// A backup on disk: `database/` as pg_dump writes a directory, `roles.sql`, `credentials/`, `files/`, and `manifest.json`, which is
/// written last: a folder without one is no backup.
struct BackupFolder {
  let path: String

  var database: String { path + "/database" }
  var roles: String { path + "/roles.sql" }
  var credentials: String { path + "/credentials" }
  /// Served files (rasters), as they lie in the data directory.
  var files: String { path + "/files" }
  private var manifestPath: String { path + "/manifest.json" }

  struct Manifest: Codable {
    /// Of this folder's layout.
    var format: Int
    /// Of the terraned that wrote it.
    var version: String
    /// PostgreSQL's major version.
    var postgresql: Int
    /// The newest migration of the database, `0015_publish_is_one`.
    var migration: String
    /// RFC 3339, UTC.
    var created: String
    var data: String

    static let format = 1
  }

  init(_ path: String) { self.path = Settings.absolute(path) }

  /// Throws for a database that others run: it is backed up as the rest of theirs is.
  static func requirePrivate(_ settings: Settings) throws {
    guard let place = settings.database else { return }
    throw StartError(
      """
      database \(place.description) is its administrator's to back up and to bring back (pg_dump, pg_basebackup); beside it \
      keep \(DataDirectory.credentials(of: settings.data))
      """)
  }

  /// Makes the folder for a new backup.
  func make() throws {
    let files = FileManager.default
    if let there = try? files.contentsOfDirectory(atPath: path), !there.isEmpty {
      throw StartError("\(path) is not empty; name a new folder for the backup")
    }
    do {
      try files.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch { throw StartError("cannot make \(path): \(error.localizedDescription) (as user \(NSUserName()))") }
    guard access(path, W_OK | X_OK) == 0 else {
      throw StartError("user \(NSUserName()) cannot write to \(path); name a folder that it can reach")
    }
  }

  /// Copies the served files that are not here yet. A file never changes, so what is here is whole.
  func copyFiles(from folder: String) throws {
    let files = FileManager.default
    try files.createDirectory(
      atPath: self.files, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    for name in ServedFiles(root: folder).all() {
      let (source, target) = ("\(folder)/\(name)", "\(self.files)/\(name)")
      guard !files.fileExists(atPath: target) else { continue }
      try files.createDirectory(
        atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      do {
        // Under another name until it is whole: a copy cut short must not pass for a file.
        try files.copyItem(atPath: source, toPath: target + ".part")
        try files.moveItem(atPath: target + ".part", toPath: target)
      } catch {
        try? files.removeItem(atPath: target + ".part")
        // What was removed meanwhile is nobody's any more.
        if files.fileExists(atPath: source) { throw error }
      }
    }
  }

  func write(_ manifest: Manifest) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    try encoder.encode(manifest).write(to: URL(fileURLWithPath: manifestPath), options: .atomic)
  }

  /// Throws where the folder is no backup that this version can read.
  func manifest() throws -> Manifest {
    let data: Data
    do { data = try Data(contentsOf: URL(fileURLWithPath: manifestPath)) } catch {
      throw StartError(
        "\(path) is no whole backup: \(manifestPath) cannot be read by user \(NSUserName()) (\(error.localizedDescription))"
      )
    }
    let manifest: Manifest
    do { manifest = try JSONDecoder().decode(Manifest.self, from: data) } catch {
      throw StartError("\(manifestPath) is no manifest of a backup: \(error)")
    }
    guard manifest.format == Manifest.format else {
      throw StartError(
        "\(path) was written by terraned \(manifest.version) in layout \(manifest.format); terraned "
          + "\(TerraneVersion.current) reads layout \(Manifest.format)")
    }
    return manifest
  }
}

/// A program of PostgreSQL, run to its end.
struct PostgresProgram {
  var binaries: String
  /// libpq's variables.
  var environment: [String: String]

  /// Throws with the end of what it said when it fails.
  func run(_ name: String, _ arguments: [String], output: String? = nil) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "\(binaries)/\(name)")
    process.arguments = arguments
    process.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"].merging(environment) { $1 }
    process.currentDirectoryURL = URL(fileURLWithPath: "/")
    process.standardInput = FileHandle.nullDevice
    var file: FileHandle?
    if let output {
      guard FileManager.default.createFile(atPath: output, contents: nil, attributes: [.posixPermissions: 0o600]),
        let opened = FileHandle(forWritingAtPath: output)
      else { throw StartError("cannot write \(output)") }
      file = opened
      process.standardOutput = opened
    } else {
      process.standardOutput = FileHandle.nullDevice
    }
    defer { try? file?.close() }
    let errors = Pipe()
    process.standardError = errors
    do { try process.run() } catch {
      throw StartError("cannot run \(binaries)/\(name): \(error.localizedDescription)")
    }
    let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failed(program: name, said: String(said.suffix(2_000)).trimmingCharacters(in: .whitespacesAndNewlines))
    }
  }

  struct Failed: Error, CustomStringConvertible {
    var program: String
    var said: String
    var description: String { "\(program) failed: \(said)" }
  }
}
