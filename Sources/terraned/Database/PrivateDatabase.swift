internal import Datasets
internal import Logging
internal import PostgreSQL

/// The database of the cluster that is our own: started, and brought to this version.
struct PrivateDatabase {
  private let settings: Settings
  private let cluster: PrivateCluster

  init(_ settings: Settings, _ cluster: PrivateCluster) {
    self.settings = settings
    self.cluster = cluster
  }

  func open(on thread: DatabaseThread, _ logger: Logger) async throws -> DatabaseInstaller.Logins {
    do {
      let origin = try await cluster.start()
      logger.info("PostgreSQL is up", metadata: ["origin": "\(origin.rawValue)"])
    } catch { throw StartError("PostgreSQL: \(error)") }
    do { return try await install(thread, logger) } catch {
      // A server that does not start leaves nothing running.
      try? await cluster.stop()
      throw error
    }
  }

  private func install(_ thread: DatabaseThread, _ logger: Logger) async throws -> DatabaseInstaller.Logins {
    let name = Database.name
    let first = try await PostgresConnection.connect(cluster.superuserSettings(database: "postgres"), on: thread)
    if try await first.query("SELECT 1 FROM pg_database WHERE datname = $1", [.text(name)]).isEmpty {
      try await first.execute(script: "CREATE DATABASE \(name)")
    }
    first.close()
    let administrator = try await PostgresConnection.connect(cluster.superuserSettings(database: name), on: thread)
    // An adopted cluster may still have sessions of a server that was killed: what they hold (locks, a COPY) ends with them.
    _ = try await administrator.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'terrane\\_%'")
    do {
      let logins = try await Database.installer(settings).install(on: administrator, logger: logger)
      administrator.close()
      return logins
    } catch {
      throw StartError(
        "the database of \(settings.data) cannot be brought to terraned \(TerraneVersion.current): \(error)")
    }
  }
}
