internal import CoreMachine
internal import Credentials
internal import Datasets
internal import Foundation
internal import Logging
internal import PostgreSQL

/// The database, brought to this version or found to be of it, and the connections of the budget in docs/architecture.md.
struct Database: Sendable {
  /// Of a private cluster.
  static let name = "terrane"

  let place: DatabasePlace
  /// Nil: others run it.
  let cluster: PrivateCluster?
  let thread: DatabaseThread
  /// Slow queries (lists, scans, moves) have a thread of their own, so that decoding one never delays a commit.
  let slowThread: DatabaseThread
  let logins: DatabaseInstaller.Logins
  /// The engine's connections, within the budget; datasets share them.
  let connections: CoreMachineDatabase

  static func open(
    _ settings: Settings, _ directory: DataDirectory, _ store: CredentialStore, _ logger: Logger
  ) async throws -> Database {
    let thread = DatabaseThread(name: "database")
    let slowThread = DatabaseThread(name: "database-slow")
    let (place, cluster, logins): (DatabasePlace, PrivateCluster?, DatabaseInstaller.Logins)
    if let external = settings.database {
      (place, cluster) = (external, nil)
      logins = try await ExternalDatabase(settings, external, store).open(on: thread, logger)
    } else {
      let made = try Self.cluster(settings, directory.cluster, thread: thread)
      logins = try await PrivateDatabase(settings, made).open(on: thread, logger)
      (place, cluster) = (DatabasePlace(host: made.socketDirectory, name: name), made)
    }
    let server = place.login(DatabaseInstaller.serverRole, logins.server, applicationName: "terraned")
    let connections = CoreMachineDatabase(server, thread: thread, slowThread: slowThread)
    try await connections.write.connect()
    return Database(
      place: place, cluster: cluster, thread: thread, slowThread: slowThread, logins: logins, connections: connections)
  }

  static func installer(_ settings: Settings) throws -> DatabaseInstaller {
    DatabaseInstaller(
      sqlFolder: settings.share + "/sql", pgstacFile: try pgstacFile(settings), slots: settings.slots,
      version: TerraneVersion.current)
  }

  /// The private cluster of a data directory, not started.
  static func cluster(_ settings: Settings, _ folder: String, thread: DatabaseThread) throws -> PrivateCluster {
    var configuration = PrivateCluster.Configuration(dataDirectory: folder)
    configuration.binaries = settings.postgresBin
    // Nobody replicates from a private cluster, and a table that is made and filled in one transaction then needs no WAL.
    configuration.settings = ["wal_level": "minimal", "max_wal_senders": "0"]
    // Ten in reserve: for whoever looks, and sessions that have not ended yet.
    configuration.maxConnections = try installer(settings).connections + 10
    return try PrivateCluster(configuration, thread: thread, logger: Logger(label: "postgresql"))
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

  /// libpq's variables of a login, for PostgreSQL's own programs.
  static func environment(_ login: ConnectionSettings) -> [String: String] {
    DatabasePlace(host: login.host, name: login.database).environment(login.user, login.password ?? "")
  }

  func close(_ logger: Logger) async {
    await connections.close()
    do { try await cluster?.stop() } catch { logger.error("PostgreSQL did not stop", metadata: ["error": "\(error)"]) }
    thread.shutdown()
    slowThread.shutdown()
  }
}
