internal import Foundation
public import Logging
public import PostgreSQL

/// Brings a database to what this version needs: extensions, roles, schemas, pgstac, migrations, and passwords drawn anew.
public struct DatabaseInstaller: Sendable {
  /// Folder with bootstrap.sql and the migrations.
  public var sqlFolder: String
  /// pgstac's own SQL file, from its wheel.
  public var pgstacFile: String
  /// Worker slots, each with a role of its own.
  public var slots: Int
  /// Of the server: kept with the migrations it applies.
  public var version: String

  public init(sqlFolder: String, pgstacFile: String, slots: Int, version: String) {
    self.sqlFolder = sqlFolder
    self.pgstacFile = pgstacFile
    self.slots = slots
    self.version = version
  }

  /// The logins of one run of the server. Kept in memory only.
  public struct Logins: Sendable {
    public var server: String
    public var dataAPI: String
    public var slots: [String]

    public init(server: String, dataAPI: String, slots: [String]) {
      self.server = server
      self.dataAPI = dataAPI
      self.slots = slots
    }
  }

  public static let serverRole = "terrane_server"
  public static let dataAPIRole = "terrane_dataapi"
  public static func slotRole(_ slot: Int) -> String { "terrane_task_\(slot)" }

  /// - Parameter administrator: a superuser's connection to the database.
  public func install(on administrator: PostgresConnection, logger: Logger) async throws -> Logins {
    let migrations = try migrations()
    try await migrations.check(on: administrator)
    try await administrator.execute(script: try read("\(sqlFolder)/bootstrap.sql"))
    try await installPgstac(administrator, logger)
    let applied = try await migrations.apply(on: administrator)
    for migration in applied {
      let number = String(format: "%04d", migration.number)
      logger.info("migration applied", metadata: ["migration": "\(number)_\(migration.name)"])
    }
    try await administrator.execute(script: Self.migrationRights)
    return try await setLogins(administrator)
  }

  /// The `NNNN_name.sql` files of the folder, each run as the schemas' owner.
  func migrations() throws -> Migrations {
    let files = try FileManager.default.contentsOfDirectory(atPath: sqlFolder).sorted()
    return try Migrations(
      files.compactMap { file in
        guard let match = file.wholeMatch(of: /([0-9]{4})_([a-z0-9_]+)\.sql/), let number = Int(match.1) else {
          return nil
        }
        return Migrations.Migration(
          number: number, name: String(match.2), sql: "SET ROLE terrane_owner;\n" + (try read("\(sqlFolder)/\(file)")))
      }, program: "terraned \(version)")
  }

  private func installPgstac(_ administrator: PostgresConnection, _ logger: Logger) async throws {
    let there = try await administrator.query("SELECT to_regprocedure('pgstac.get_version()') IS NOT NULL AS there", [])
    if try there.oneRow().bool("there") == false {
      // The file leaves its role and search_path set.
      try await administrator.execute(
        script: "BEGIN;\n" + (try read(pgstacFile)) + "\nRESET ROLE; RESET search_path; COMMIT;")
      logger.info("pgstac installed")
    }
    try await administrator.execute(script: Self.pgstacRights)
  }

  static let pgstacVersion = "0.10.0"

  static let pgstacRights = """
    GRANT pgstac_ingest, pgstac_read TO terrane_server;
    GRANT pgstac_read TO terrane_dataapi;
    ALTER ROLE terrane_dataapi SET search_path = pgstac, public;
    \(pgstacCanBeRestored)
    """

  /// The server may look what has been applied, and says so where something is missing.
  static let migrationRights = """
    GRANT USAGE ON SCHEMA migrations TO terrane_server;
    GRANT SELECT ON migrations.applied TO terrane_server;
    """

  /// pg_restore works with an empty search path, and functions of pgstac's generated columns name others by their bare
  /// names: they get a path of their own.
  private static let pgstacCanBeRestored = """
    DO $$ DECLARE function regprocedure; BEGIN
      FOR function IN
        SELECT DISTINCT p.oid::regprocedure FROM pg_depend d JOIN pg_proc p ON p.oid = d.refobjid
          WHERE d.refclassid = 'pg_proc'::regclass
            AND d.classid IN ('pg_attrdef'::regclass, 'pg_class'::regclass, 'pg_constraint'::regclass)
            AND p.pronamespace = 'pgstac'::regnamespace
            AND NOT EXISTS (SELECT FROM unnest(p.proconfig) setting WHERE setting LIKE 'search_path=%')
      LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pgstac, public', function);
      END LOOP;
    END $$;
    """

  private func setLogins(_ administrator: PostgresConnection) async throws -> Logins {
    let logins = Logins(
      server: Self.password(), dataAPI: Self.password(), slots: (0..<slots).map { _ in Self.password() })
    let script = Self.loginScript(logins) { $0 }
    // Passwords must not reach the server's log with a statement that fails.
    try await administrator.execute(
      script: "SET log_statement = 'none'; SET log_min_error_statement = 'panic';\n" + script)
    return logins
  }

  /// Roles that log in, and what each is given.
  /// - Parameter kept: what is written of a password.
  static func loginScript(_ logins: Logins, kept: (String) -> String) -> String {
    var script = """
      ALTER ROLE \(serverRole) PASSWORD '\(kept(logins.server))';
      ALTER ROLE \(dataAPIRole) PASSWORD '\(kept(logins.dataAPI))';

      """
    for (slot, password) in logins.slots.enumerated() {
      let role = slotRole(slot)
      script += """
        DO $$ BEGIN
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '\(role)') THEN CREATE ROLE \(role) LOGIN; END IF;
        END $$;
        ALTER ROLE \(role) PASSWORD '\(kept(password))';
        GRANT terrane_task TO \(role);
        GRANT \(role) TO terrane_server;

        """
    }
    return script
  }

  func read(_ path: String) throws -> String {
    do { return try String(contentsOfFile: path, encoding: .utf8) } catch {
      throw Problem(.internalError, "cannot read \(path): \(error)")
    }
  }

  /// 32 hex digits from the system's generator.
  private static func password() -> String {
    var generator = SystemRandomNumberGenerator()
    return (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }.hexDigits
  }
}
