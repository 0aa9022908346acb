public import PostgreSQL

/// Something that a database lacks, in words for whoever administers it.
public struct DatabaseShortfall: Sendable, Equatable {
  /// What it is about: `version`, `extension`, `role`, `right`, `pgstac`, `migrations`, `connections`.
  public var about: String
  public var message: String
  /// What to do about it.
  public var remedy: String

  public init(about: String, message: String, remedy: String) {
    self.about = about
    self.message = message
    self.remedy = remedy
  }
}

/// Looks whether a database that others administer has all that the server needs, as the server's own role: reads only.
struct DatabaseInspection {
  static let oldestVersion = 15

  let installer: DatabaseInstaller
  let connection: PostgresConnection
  private let again = "Have its administrator run what `terraned init-sql` prints, in this database."
  private let server = DatabaseInstaller.serverRole
  private let dataAPI = DatabaseInstaller.dataAPIRole

  init(_ installer: DatabaseInstaller, _ connection: PostgresConnection) {
    self.installer = installer
    self.connection = connection
  }

  /// Everything that is missing; empty: nothing. What depends on something that is missing is not asked for.
  /// - Parameter connections: sessions that the server and its children open at most.
  func run(connections: Int) async throws -> [DatabaseShortfall] {
    var found = try await cluster(connections: connections)
    guard found.isEmpty else { return found }
    found += try await extensions()
    found += try await roles()
    found += try await ownRights()
    guard found.isEmpty else { return found }
    found += try await pgstac()
    found += try await migrations()
    guard found.isEmpty else { return found }
    return try await rightsToRows()
  }

  private func shortfall(_ about: String, _ message: String, _ remedy: String? = nil) -> DatabaseShortfall {
    DatabaseShortfall(about: about, message: message, remedy: remedy ?? again)
  }

  /// Of what is asked, one row each, with columns `what` and `remedy` (nil: run the script again).
  private func missing(_ about: String, _ sql: String, _ parameters: [PGValue] = []) async throws -> [DatabaseShortfall]
  {
    try await connection.query(sql, parameters).map {
      shortfall(about, try $0.text("what"), try $0.optionalText("remedy"))
    }
  }

  // MARK: The cluster

  private func cluster(connections: Int) async throws -> [DatabaseShortfall] {
    let row = try await connection.query(
      """
      SELECT current_setting('server_version_num')::int4 AS version, current_setting('server_version') AS named,
        current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby,
        current_setting('max_connections')::int4 - current_setting('superuser_reserved_connections')::int4
          - coalesce(current_setting('reserved_connections', true), '0')::int4 AS room,
        (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit,
        (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit
      """
    ).oneRow()
    var found: [DatabaseShortfall] = []
    if try row.int("version") / 10_000 < Self.oldestVersion {
      found.append(
        shortfall(
          "version", "it is PostgreSQL \(try row.text("named"))", "Use PostgreSQL \(Self.oldestVersion) or newer."))
    }
    if try row.text("encoding") != "UTF8" {
      let remedy = "Make the database with ENCODING 'UTF8' (createdb -E UTF8 -T template0)."
      found.append(shortfall("version", "its encoding is \(try row.text("encoding"))", remedy))
    }
    if try row.bool("standby") {
      found.append(shortfall("version", "it is a standby, which takes no writes", "Name the primary."))
    }
    for (name, limit) in [
      ("max_connections without those in reserve", try row.int("room")),
      ("the connection limit of the database", try row.int("database_limit")),
    ] where limit >= 0 && limit < connections {
      found.append(
        shortfall(
          "connections", "\(name) is \(limit), and terraned with \(installer.slots) slots opens up to \(connections)",
          "Raise it to \(connections) or more, or start terraned with fewer --slots."))
    }
    let own = try row.int("role_limit")
    if own >= 0, own < DatabaseInstaller.serverConnections {
      found.append(
        shortfall(
          "connections",
          "the connection limit of role \(server) is \(own), and it opens \(DatabaseInstaller.serverConnections)",
          "ALTER ROLE \(server) CONNECTION LIMIT -1;"))
    }
    return found
  }

  private func extensions() async throws -> [DatabaseShortfall] {
    try await missing(
      "extension",
      """
      SELECT CASE WHEN a.name IS NULL THEN format('extension %s is not installed on its machine', wanted.name)
          ELSE format('extension %s is not in it', wanted.name) END AS what,
        CASE WHEN a.name IS NULL THEN format('Install its package (of Debian: %s) there; then run terraned init-sql''s script.', wanted.package)
          ELSE format('CREATE EXTENSION %s;', wanted.name) END AS remedy
      FROM (VALUES ('postgis', 'postgresql-15-postgis-3'), ('btree_gist', 'postgresql-contrib'),
        ('unaccent', 'postgresql-contrib')) AS wanted (name, package)
      LEFT JOIN pg_available_extensions a USING (name)
      WHERE NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = wanted.name)
      """)
  }

  // MARK: Roles

  private var slotRoles: PGValue { .textArray((0..<installer.slots).map(DatabaseInstaller.slotRole)) }

  private func roles() async throws -> [DatabaseShortfall] {
    let gone = try await missing(
      "role",
      """
      SELECT format('role %s is not there', name) AS what, NULL AS remedy
      FROM unnest(ARRAY['terrane_owner', 'terrane_task', $2::text] || $1::text[]) AS name
      WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
      """, [slotRoles, .text(dataAPI)])
    guard gone.isEmpty else { return gone }
    return try await missing(
      "role",
      """
      SELECT format('%s is not a member of %s', member, role) AS what, format('GRANT %s TO %s;', role, member) AS remedy
      FROM (
        SELECT $2::text AS member, unnest(ARRAY['pg_signal_backend'] || $1::text[]) AS role
        UNION ALL SELECT unnest($1::text[]), 'terrane_task') AS wanted
      WHERE NOT pg_has_role(member, role, 'MEMBER')
      UNION ALL
      SELECT format('%s is a superuser', $2::text), format('ALTER ROLE %s NOSUPERUSER;', $2::text)
      FROM pg_roles WHERE rolname = $2::text AND rolsuper
      """, [slotRoles, .text(server)])
  }

  private func ownRights() async throws -> [DatabaseShortfall] {
    let schemas = try await missing(
      "right",
      """
      SELECT format('schema %s is not there', name) AS what, NULL AS remedy
      FROM unnest(ARRAY['coremachine', 'datasets', 'serving', 'data', 'migrations']) AS name
      WHERE to_regnamespace(name) IS NULL
      """)
    guard schemas.isEmpty else { return schemas }
    return try await missing(
      "right",
      """
      SELECT format('%s lacks %s on database %s', role, kind, current_database()) AS what,
        format('GRANT %s ON DATABASE %I TO %s;', kind, current_database(), role) AS remedy
      FROM (VALUES ($1::text, 'CREATE'), ($1::text, 'CONNECT'), ($2::text, 'CONNECT'), ('terrane_task', 'CONNECT')) AS wanted (role, kind)
      WHERE NOT has_database_privilege(role, current_database(), kind)
      UNION ALL
      SELECT format('%s lacks %s on schema %s', role, kind, name), format('GRANT %s ON SCHEMA %s TO %s;', kind, name, role)
      FROM (VALUES ($1::text, 'coremachine', 'USAGE'), ($1::text, 'datasets', 'USAGE'), ($1::text, 'serving', 'USAGE'),
        ($1::text, 'migrations', 'USAGE'), ($1::text, 'data', 'USAGE'), ($1::text, 'data', 'CREATE'), ($2::text, 'serving', 'USAGE'), ($2::text, 'data', 'USAGE'),
        ('terrane_task', 'data', 'USAGE'), ('terrane_task', 'serving', 'USAGE')) AS wanted (role, name, kind)
      WHERE NOT has_schema_privilege(role, name, kind)
      """, [.text(server), .text(dataAPI)])
  }

  // MARK: What is in it

  private func pgstac() async throws -> [DatabaseShortfall] {
    let there = try await connection.query("SELECT to_regnamespace('pgstac') IS NOT NULL AS there").oneRow()
    guard try there.bool("there") else { return [shortfall("pgstac", "pgstac is not in it")] }
    let rights = try await missing(
      "role",
      """
      SELECT format('%s is not a member of %s', member, role) AS what, format('GRANT %s TO %s;', role, member) AS remedy
      FROM (VALUES ($1::text, 'pgstac_ingest'), ($1::text, 'pgstac_read'), ($2::text, 'pgstac_read')) AS wanted (member, role)
      WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) OR NOT pg_has_role(member, role, 'USAGE')
      """, [.text(server), .text(dataAPI)])
    guard rights.isEmpty else { return rights }
    let version = try await connection.query("SELECT pgstac.get_version() AS version").oneRow().text("version")
    guard version == DatabaseInstaller.pgstacVersion else {
      let remedy = "Give terraned a database of its own, or bring pgstac to \(DatabaseInstaller.pgstacVersion)."
      return [shortfall("pgstac", "its pgstac is \(version), not \(DatabaseInstaller.pgstacVersion)", remedy)]
    }
    return []
  }

  private func migrations() async throws -> [DatabaseShortfall] {
    guard
      try await connection.query("SELECT to_regclass('migrations.applied') IS NOT NULL AS there").oneRow().bool("there")
    else { return [shortfall("migrations", "no migration has been applied")] }
    let right = try await missing(
      "right",
      """
      SELECT format('%s lacks SELECT on migrations.applied', $1::text) AS what,
        format('GRANT SELECT ON migrations.applied TO %s;', $1::text) AS remedy
      WHERE NOT has_table_privilege($1::text, 'migrations.applied', 'SELECT')
      """, [.text(server)])
    guard right.isEmpty else { return right }
    do {
      let pending = try await installer.migrations().pending(on: connection)
      guard let first = pending.first else { return [] }
      let names =
        "\(Migrations.label(first.number, first.name))" + (pending.count > 1 ? " and \(pending.count - 1) more" : "")
      return [shortfall("migrations", "these have not been applied: \(names)")]
    } catch let error as MigrationError {
      return [shortfall("migrations", "\(error)", "Use the terraned that it belongs to, or another database.")]
    }
  }

  private func rightsToRows() async throws -> [DatabaseShortfall] {
    try await missing(
      "right",
      """
      WITH wanted (role, schemas, kinds) AS (VALUES
        ($1::text, ARRAY['coremachine', 'datasets', 'serving'], ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
        ($2::text, ARRAY['serving'], ARRAY['SELECT']))
      SELECT format('%s lacks %s on %s', role, string_agg(kind, ', ' ORDER BY kind), c.oid::regclass) AS what,
        format('GRANT %s ON %s TO %s;', string_agg(kind, ', ' ORDER BY kind), c.oid::regclass, role) AS remedy
      FROM wanted, unnest(schemas) AS name, unnest(kinds) AS kind, pg_class c
      WHERE c.relnamespace = to_regnamespace(name) AND c.relkind IN ('r', 'p', 'v')
        AND NOT (c.relkind = 'v' AND kind <> 'SELECT') AND NOT has_table_privilege(role, c.oid, kind)
        -- What is written once is read only, and history is only added to: the migrations took the rest away.
        AND NOT (c.relname = 'transitions' AND kind <> 'SELECT')
        AND NOT (c.relname ~ '^events' AND kind IN ('UPDATE', 'DELETE'))
      GROUP BY role, c.oid
      UNION ALL
      SELECT format('%s lacks USAGE on sequence %s', $1::text, c.oid::regclass),
        format('GRANT USAGE ON SEQUENCE %s TO %s;', c.oid::regclass, $1::text)
      FROM pg_class c
      WHERE c.relnamespace IN (to_regnamespace('coremachine'), to_regnamespace('datasets'), to_regnamespace('serving'))
        -- CASE, because conditions are tested in any order, and the function fails of what is no sequence.
        AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege($1::text, c.oid, 'USAGE') END
      ORDER BY 1
      """, [.text(server), .text(dataAPI)])
  }
}

extension DatabaseInstaller {
  /// Sessions of the server itself: 2 write, 1 publish, 1 leases, 1 claim, 1 LISTEN, 2 slow.
  public static let serverConnections = 8

  /// Sessions of the server, its children and the data API at most.
  public var connections: Int { Self.serverConnections + 3 * slots + 8 }

  /// What a database that others administer lacks.
  /// - Parameter connection: as ``serverRole``.
  public func shortfalls(on connection: PostgresConnection) async throws -> [DatabaseShortfall] {
    try await DatabaseInspection(self, connection).run(connections: connections)
  }
}
