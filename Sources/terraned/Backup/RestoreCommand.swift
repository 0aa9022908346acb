internal import ArgumentParser
internal import Datasets
internal import Foundation
internal import Logging
internal import PostgreSQL

/// `terraned restore FOLDER`: makes a new data directory from a backup.
struct RestoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Makes a new data directory from a backup.",
    discussion: """
      The data directory must be empty or not there. Start terraned on it afterwards as usual: what was under way when the \
      backup was made is begun again, and watchers that come back get a snapshot.
      """)

  @Argument(help: "A folder that `terraned backup` wrote; readable by the server's user.")
  var folder: String

  @OptionGroup var options: SettingsOptions

  func run() throws {
    let settings = try Terraned.settings(options)
    try BackupFolder.requirePrivate(settings)
    let backup = BackupFolder(folder)
    try Terraned.main(settings) {
      try await Self.restore(backup, settings)
      print("\(settings.data) is restored from \(backup.path). Start it with: terraned --data \(settings.data) …")
    }
  }

  private static func restore(_ backup: BackupFolder, _ settings: Settings) async throws {
    let manifest = try backup.manifest()
    try check(manifest, backup, settings)
    let directory = try DataDirectory(settings, restoring: true)
    do {
      try await fill(directory, backup, manifest, settings)
    } catch {
      // Half a database must not look like one.
      for part in [directory.path + "/postgresql", directory.credentials, directory.files] {
        try? FileManager.default.removeItem(atPath: part)
      }
      directory.finishRestore()
      throw error is StartError ? error : StartError("\(backup.path) could not be restored: \(error)")
    }
    directory.finishRestore()
  }

  /// What can be known before anything is made.
  private static func check(_ manifest: BackupFolder.Manifest, _ backup: BackupFolder, _ settings: Settings) throws {
    let known = try FileManager.default.contentsOfDirectory(atPath: settings.share + "/sql")
    guard known.contains("\(manifest.migration).sql") else {
      throw StartError(
        """
        \(backup.path) was written by terraned \(manifest.version) with migration \(manifest.migration), which terraned \
        \(TerraneVersion.current) does not know; restore it with \(manifest.version) or newer
        """)
    }
    guard access(backup.database + "/toc.dat", R_OK) == 0 else {
      throw StartError("\(backup.database) cannot be read by user \(NSUserName())")
    }
    let there = (try? FileManager.default.contentsOfDirectory(atPath: settings.data)) ?? []
    guard there.isEmpty else {
      throw StartError("\(settings.data) is not empty; a backup is restored into a new data directory (--data)")
    }
  }

  private static func fill(
    _ directory: DataDirectory, _ backup: BackupFolder, _ manifest: BackupFolder.Manifest, _ settings: Settings
  ) async throws {
    let thread = DatabaseThread(name: "database")
    defer { thread.shutdown() }
    let cluster = try Database.cluster(settings, directory.cluster, thread: thread)
    try await cluster.start()
    let known: Set<String>
    do {
      known = try await load(cluster, thread, backup, manifest, settings)
      try await cluster.stop()
    } catch {
      try? await cluster.stop()
      throw error
    }
    let files = FileManager.default
    try files.removeItem(atPath: directory.files)
    // A backup of a version that knew no files has none.
    if files.fileExists(atPath: backup.files) {
      try files.copyItem(atPath: backup.files, toPath: directory.files)
      // What came after the database was read is in no ledger.
      for name in directory.servedFiles.all() where !known.contains(name) { try directory.servedFiles.remove(name) }
    } else {
      try files.createDirectory(
        atPath: directory.files, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }
    try files.removeItem(atPath: directory.credentials)
    try files.copyItem(atPath: backup.credentials, toPath: directory.credentials)
  }

  private static func load(
    _ cluster: PrivateCluster, _ thread: DatabaseThread, _ backup: BackupFolder, _ manifest: BackupFolder.Manifest,
    _ settings: Settings
  ) async throws -> Set<String> {
    let login = try cluster.superuserSettings(database: "postgres")
    let first = try await PostgresConnection.connect(login, on: thread)
    let major = try await first.query("SELECT current_setting('server_version_num')::int4 / 10000 AS n").oneRow().int(
      "n")
    guard major >= manifest.postgresql else {
      throw StartError(
        "the backup is of PostgreSQL \(manifest.postgresql), and \(settings.postgresBin) is \(major); name that of "
          + "\(manifest.postgresql) or newer with --postgres-bin")
    }
    try await first.execute(script: try String(contentsOfFile: backup.roles, encoding: .utf8))
    first.close()
    let programs = PostgresProgram(binaries: settings.postgresBin, environment: Database.environment(login))
    try programs.run(
      "pg_restore",
      ["--create", "--exit-on-error", "--jobs=\(settings.slots)", "--dbname=postgres", backup.database])
    let restored = try await PostgresConnection.connect(
      cluster.superuserSettings(database: Database.name), on: thread)
    defer { restored.close() }
    // Another history from here on: a watcher's position means nothing in it.
    try await restored.query("UPDATE coremachine.change_counter SET generation = gen_random_uuid()")
    // What the planner knows of the tables is not in a dump.
    try await restored.execute(script: "ANALYZE")
    let files = try await restored.query(
      "SELECT identifier FROM coremachine.ledger WHERE kind = $1 AND state IN ('PRESENT', 'LIVE', 'DOOMED')",
      [.text(ServedFiles.kind)])
    return Set(try files.rows.map { try $0.text("identifier") })
  }
}
