internal import CoreMachine
internal import Datasets
internal import Foundation
internal import Logging
internal import PostgreSQL

/// The private cluster, brought to this version, and the connections of the budget in docs/architecture.md.
struct Database: Sendable {
  static let name = "terrane"

  let cluster: PrivateCluster
  let thread: DatabaseThread
  /// Slow queries (lists, scans, moves) have a thread of their own, so that decoding one never delays a commit.
  let slowThread: DatabaseThread
  let logins: DatabaseInstaller.Logins
  /// The engine's connections, within the budget; datasets share them.
  let connections: CoreMachineDatabase

  /// The directory of the Unix socket.
  var host: String { cluster.socketDirectory }

  static func open(_ settings: Settings, _ directory: DataDirectory, _ logger: Logger) async throws -> Database {
    let thread = DatabaseThread(name: "database")
    let slowThread = DatabaseThread(name: "database-slow")
    let cluster = try cluster(settings, directory.cluster, thread: thread)
    do {
      let origin = try await cluster.start()
      logger.info("PostgreSQL is up", metadata: ["origin": "\(origin.rawValue)"])
    } catch { throw StartError("PostgreSQL: \(error)") }
    let logins: DatabaseInstaller.Logins
    do { logins = try await install(settings, cluster, thread, logger) } catch {
      // A server that does not start leaves nothing running.
      try? await cluster.stop()
      throw error
    }
    let server = cluster.settings(
      database: name, user: DatabaseInstaller.serverRole, password: logins.server, applicationName: "terraned")
    let connections = CoreMachineDatabase(server, thread: thread, slowThread: slowThread)
    try await connections.write.connect()
    return Database(
      cluster: cluster, thread: thread, slowThread: slowThread, logins: logins, connections: connections)
  }

  /// The private cluster of a data directory, not started.
  static func cluster(_ settings: Settings, _ folder: String, thread: DatabaseThread) throws -> PrivateCluster {
    var configuration = PrivateCluster.Configuration(dataDirectory: folder)
    configuration.binaries = settings.postgresBin
    // Nobody replicates from a private cluster, and a table that is made and filled in one transaction then needs no WAL.
    configuration.settings = ["wal_level": "minimal", "max_wal_senders": "0"]
    // The server 8 (2 write, 1 publish, 1 leases, 1 claim, 1 LISTEN, 2 slow), 3 a child, 8 the data API, 10 in reserve.
    configuration.maxConnections = 8 + 3 * settings.slots + 8 + 10
    return try PrivateCluster(configuration, thread: thread, logger: Logger(label: "postgresql"))
  }

  /// libpq's variables of a login, for PostgreSQL's own programs.
  static func environment(_ login: ConnectionSettings) -> [String: String] {
    [
      "PGHOST": login.host, "PGPORT": "\(login.port)", "PGDATABASE": login.database, "PGUSER": login.user,
      "PGPASSWORD": login.password ?? "",
    ]
  }

  private static func install(
    _ settings: Settings, _ cluster: PrivateCluster, _ thread: DatabaseThread, _ logger: Logger
  ) async throws -> DatabaseInstaller.Logins {
    let first = try await PostgresConnection.connect(cluster.superuserSettings(database: "postgres"), on: thread)
    if try await first.query("SELECT 1 FROM pg_database WHERE datname = $1", [.text(name)]).isEmpty {
      try await first.execute(script: "CREATE DATABASE \(name)")
    }
    first.close()
    let administrator = try await PostgresConnection.connect(cluster.superuserSettings(database: name), on: thread)
    // An adopted cluster may still have sessions of a server that was killed: what they hold (locks, a COPY) ends with them.
    _ = try await administrator.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'terrane\\_%'")
    let installer = DatabaseInstaller(
      sqlFolder: settings.share + "/sql", pgstacFile: try pgstacFile(settings), slots: settings.slots,
      version: TerraneVersion.current)
    do {
      let logins = try await installer.install(on: administrator, logger: logger)
      administrator.close()
      return logins
    } catch {
      throw StartError(
        "the database of \(settings.data) cannot be brought to terraned \(TerraneVersion.current): \(error)")
    }
  }

  /// pgstac's SQL, out of the locked wheel in the Python environment.
  static func pgstacFile(_ settings: Settings) throws -> String {
    let environment = URL(fileURLWithPath: settings.python).deletingLastPathComponent().deletingLastPathComponent().path
    for version in ["3.11", "3.12", "3.13"] {
      let file = "\(environment)/lib/python\(version)/site-packages/pypgstac/migrations/pgstac.0.10.0.sql"
      if FileManager.default.fileExists(atPath: file) { return file }
    }
    throw StartError("pgstac's SQL is not in \(environment); run make setup")
  }

  func close(_ logger: Logger) async {
    await connections.close()
    do { try await cluster.stop() } catch { logger.error("PostgreSQL did not stop", metadata: ["error": "\(error)"]) }
    thread.shutdown()
    slowThread.shutdown()
  }
}
