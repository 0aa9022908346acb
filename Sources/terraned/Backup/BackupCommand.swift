internal import ArgumentParser
internal import Foundation
internal import Logging
internal import PostgreSQL

/// `terraned backup FOLDER`: all that an installation cannot make again, as of one moment, while the server works.
struct BackupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Writes a consistent backup of a running installation into a new folder.",
    discussion: """
      The folder gets the database as of one moment (datasets, their tables, operations, catalogue), the served files, the \
      roles, and the credentials. What is being loaded at that moment is begun again after a restore. Sources are not copied.
      """)

  @Argument(help: "The new folder. Keep it as safe as the data directory: it holds the certificate authority's key.")
  var folder: String

  @OptionGroup var options: SettingsOptions

  func run() throws {
    let settings = try Terraned.settings(options)
    try BackupFolder.requirePrivate(settings)
    let backup = BackupFolder(folder)
    try Terraned.main(settings, before: { try ServerUser.give(backup.path, to: settings) }) {
      try await Self.write(backup, settings)
      print(
        "\(backup.path) holds a backup of \(settings.data). Bring it back with: terraned restore \(backup.path) --data DIR"
      )
    }
  }

  private static func write(_ backup: BackupFolder, _ settings: Settings) async throws {
    try backup.make()
    let thread = DatabaseThread(name: "database")
    defer { thread.shutdown() }
    let cluster = try Database.cluster(settings, DataDirectory.cluster(of: settings.data), thread: thread)
    let login: ConnectionSettings
    let server: (version: Int, migration: String)
    do {
      login = try cluster.superuserSettings(database: Database.name)
      server = try await describe(login, thread)
    } catch {
      throw StartError(
        """
        the database of \(settings.data) does not answer (\(error)). A backup needs a running server; with the server \
        stopped, a copy of the whole folder \(settings.data) is one.
        """)
    }
    let programs = PostgresProgram(binaries: settings.postgresBin, environment: Database.environment(login))
    try roles(into: backup, programs)
    // Files twice: those that go while the database is read are here from before, those that come from after.
    try backup.copyFiles(from: DataDirectory.files(of: settings.data))
    try dump(into: backup, programs)
    try backup.copyFiles(from: DataDirectory.files(of: settings.data))
    try FileManager.default.copyItem(atPath: DataDirectory.credentials(of: settings.data), toPath: backup.credentials)
    try backup.write(
      BackupFolder.Manifest(
        format: BackupFolder.Manifest.format, version: TerraneVersion.current, postgresql: server.version,
        migration: server.migration, created: RFC3339.now(), data: settings.data))
  }

  private static func describe(
    _ login: ConnectionSettings, _ thread: DatabaseThread
  ) async throws -> (version: Int, migration: String) {
    let connection = try await PostgresConnection.connect(login, on: thread)
    defer { connection.close() }
    let row = try await connection.query(
      """
      SELECT current_setting('server_version_num')::int4 / 10000 AS version,
        (SELECT lpad(number::text, 4, '0') || '_' || name FROM migrations.applied ORDER BY number DESC LIMIT 1) AS migration
      """
    ).oneRow()
    return (try row.int("version"), try row.text("migration"))
  }

  /// All but the superuser, which every cluster has of its own; without passwords, which are drawn anew at each start.
  private static func roles(into backup: BackupFolder, _ programs: PostgresProgram) throws {
    try programs.run("pg_dumpall", ["--roles-only", "--no-role-passwords"], output: backup.roles)
    let kept = try String(contentsOfFile: backup.roles, encoding: .utf8).split(separator: "\n").filter {
      // A backslash begins a command to psql, which is not what reads this.
      !$0.hasPrefix("\\") && !$0.hasPrefix("CREATE ROLE postgres;") && !$0.hasPrefix("ALTER ROLE postgres ")
    }
    try Data((kept.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: backup.roles))
  }

  private static func dump(into backup: BackupFolder, _ programs: PostgresProgram) throws {
    // A table that a purge or a retry drops between pg_dump's list and its lock ends that try, not the backup.
    for attempt in 1... {
      do {
        // What attempts have in hand is theirs: after a restore they begin anew.
        return try programs.run(
          "pg_dump",
          ["--format=directory", "--jobs=2", "--compress=1", "--exclude-schema=staging_*", "--file=\(backup.database)"])
      } catch let error as PostgresProgram.Failed where attempt < 5 && error.said.contains("does not exist") {
        try FileManager.default.removeItem(atPath: backup.database)
      }
    }
  }
}
