internal import Credentials
internal import Datasets
internal import Logging
internal import PostgreSQL

/// A database that others administer: looked at, and refused with all that it lacks. Nothing of it is changed.
struct ExternalDatabase {
  private let settings: Settings
  private let place: DatabasePlace
  private let store: CredentialStore

  init(_ settings: Settings, _ place: DatabasePlace, _ store: CredentialStore) {
    self.settings = settings
    self.place = place
    self.store = store
  }

  func open(on thread: DatabaseThread, _ logger: Logger) async throws -> DatabaseInstaller.Logins {
    let (shortfalls, logins) = try await inspect(on: thread)
    guard shortfalls.isEmpty, let logins else {
      let all = shortfalls.map { "\n  \($0.message). \($0.remedy)" }.joined()
      throw StartError("database \(place.description) cannot be used:\(all)")
    }
    logger.info("PostgreSQL is up", metadata: ["origin": "external", "database": "\(place.description)"])
    try await endOldSessions(logins, on: thread)
    return logins
  }

  /// What is missing, and the logins where nothing is.
  func inspect(on thread: DatabaseThread) async throws -> ([DatabaseShortfall], DatabaseInstaller.Logins?) {
    let remedy = "Run terraned init-sql with the same --data and --slots, and give its administrator what it prints."
    guard let drawn = try store.databaseLogins() else {
      return ([shortfall("no logins have been drawn for it in \(settings.data)", remedy)], nil)
    }
    guard drawn.slots.count >= settings.slots else {
      return ([shortfall("logins have been drawn for \(drawn.slots.count) slots, not \(settings.slots)", remedy)], nil)
    }
    let logins = DatabaseInstaller.Logins(
      server: drawn.server, dataAPI: drawn.dataAPI, slots: Array(drawn.slots.prefix(settings.slots)))
    let connection: PostgresConnection
    do { connection = try await connect(DatabaseInstaller.serverRole, logins.server, thread) } catch {
      return ([refusal(DatabaseInstaller.serverRole, error)], nil)
    }
    defer { connection.close() }
    var found = try await Database.installer(settings).shortfalls(on: connection)
    guard found.isEmpty else { return (found, nil) }
    let others =
      [(DatabaseInstaller.dataAPIRole, logins.dataAPI)]
      + logins.slots.enumerated().map { (DatabaseInstaller.slotRole($0.offset), $0.element) }
    for (role, password) in others {
      do { try await connect(role, password, thread).close() } catch { found.append(refusal(role, error)) }
    }
    return (found, found.isEmpty ? logins : nil)
  }

  private func connect(_ role: String, _ password: String, _ thread: DatabaseThread) async throws(PostgresError)
    -> PostgresConnection
  {
    try await PostgresConnection.connect(place.login(role, password, applicationName: "terraned/check"), on: thread)
  }

  private static func connections(_ settings: Settings) -> Int { (try? Database.installer(settings).connections) ?? 0 }

  private func shortfall(_ message: String, _ remedy: String) -> DatabaseShortfall {
    DatabaseShortfall(about: "login", message: message, remedy: remedy)
  }

  private func refusal(_ role: String, _ error: PostgresError) -> DatabaseShortfall {
    let remedy =
      switch error.sqlState {
      case "28P01": "Its password is another: run terraned init-sql again, and what it prints in the database."
      case "28000": "Run what terraned init-sql prints in the database; then let the role in from here (pg_hba.conf)."
      case "3D000": "Make the database (createdb \(place.name)), and run what terraned init-sql prints in it."
      case "53300":
        "Raise the limit that it ran into (max_connections, or CONNECTION LIMIT of role or database) to "
          + "\(Self.connections(settings)) sessions, or start with fewer --slots."
      default: "See that PostgreSQL runs there and can be reached, and that TLS is as --database says."
      }
    return shortfall("\(role) cannot log in: \(error.message)", remedy)
  }

  /// Of a server that was killed: what they hold (locks, a COPY) ends with them.
  private func endOldSessions(_ logins: DatabaseInstaller.Logins, on thread: DatabaseThread) async throws {
    let connection = try await connect(DatabaseInstaller.serverRole, logins.server, thread)
    defer { connection.close() }
    _ = try await connection.query(
      """
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE usename LIKE 'terrane\\_%' AND datname = current_database() AND pid <> pg_backend_pid()
      """)
  }
}
