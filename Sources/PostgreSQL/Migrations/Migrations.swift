import Glibc

/// Why migrations were not applied. Nothing of the one that failed stays; those before it do.
public enum MigrationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The folder or a file cannot be read.
  case unreadable(path: String, error: String)
  /// A name is not `NNNN_name.sql`, or two have the same number.
  case badName(String)
  /// A migration that has been applied was changed afterwards.
  case edited(number: Int, name: String)
  /// A migration that has been applied is not there any more.
  case missing(number: Int, name: String)
  /// The database has been migrated by a newer version of the program.
  /// `by`: that version, where it said so; `known`: the newest migration there is here.
  case newerThanKnown(number: Int, name: String, by: String?, known: String)
  /// A new migration has a lower number than one that has been applied.
  case outOfOrder(number: Int, name: String)
  /// Its SQL failed.
  case failed(number: Int, name: String, error: PostgresError)

  public var description: String {
    switch self {
    case .unreadable(let path, let error): "migrations: \(path): \(error)"
    case .badName(let name): "migrations: \(name) is not a unique NNNN_name.sql"
    case .edited(let number, let name): "migration \(number) \(name) was changed after it had been applied"
    case .missing(let number, let name): "migration \(number) \(name) was applied, and is missing here"
    case .newerThanKnown(let number, let name, let by, let known):
      """
      \(by ?? "a newer version") has brought the database to migration \(Migrations.label(number, name)), and this version \
      knows none after \(known): use \(by ?? "the newer version"), or restore a backup that was made before
      """
    case .outOfOrder(let number, let name): "migration \(number) \(name) comes before one that has been applied"
    case .failed(let number, let name, let error): "migration \(number) \(name): \(error)"
    }
  }
}

/// Ordered SQL files that make a database what this version needs. Each runs once, in a transaction of its own, under a lock
/// that lets one process at a time migrate. What was applied is kept with its SHA-256, and is never to be edited.
public struct Migrations: Sendable {
  public struct Migration: Sendable, Equatable {
    public var number: Int
    public var name: String
    public var sql: String

    public init(number: Int, name: String, sql: String) {
      self.number = number
      self.name = name
      self.sql = sql
    }
  }

  /// In order of their numbers.
  public let migrations: [Migration]
  /// The schema that holds the table `applied`.
  public let schema: String
  /// The program that applies them, with its version: kept with each, for whoever finds a database that is ahead of him.
  public let program: String?

  /// - Parameters:
  ///   - schema: a lower-case identifier.
  ///   - program: name and version.
  public init(_ migrations: [Migration], schema: String = "migrations", program: String? = nil) throws(MigrationError) {
    self.program = program
    self.migrations = migrations.sorted { $0.number < $1.number }
    self.schema = schema
    for (before, after) in zip(self.migrations, self.migrations.dropFirst()) where before.number == after.number {
      throw .badName("\(Self.label(after.number, after.name)).sql")
    }
    guard !schema.isEmpty,
      schema.utf8.allSatisfy({ $0 == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) })
    else { throw .badName(schema) }
  }

  /// `NNNN_name`, as its file is called.
  public static func label(_ number: Int, _ name: String) -> String { "\(String(10_000 + number).dropFirst())_\(name)" }

  /// Reads every `NNNN_name.sql` of a folder; other files ending in `.sql` are an error, everything else is passed over.
  public init(directory: String, schema: String = "migrations") throws(MigrationError) {
    var found: [Migration] = []
    do throws(FileError) {
      for file in try PosixFile.names(in: directory) where file.hasSuffix(".sql") {
        let stem = file.dropLast(4)
        guard let separator = stem.firstIndex(of: "_"), let number = Int(stem[..<separator]), number > 0,
          stem.distance(from: stem.startIndex, to: separator) == 4
        else { throw FileError(path: file, reason: nil) }
        let sql = try PosixFile.read("\(directory)/\(file)")
        let name = String(stem[stem.index(after: separator)...])
        found.append(Migration(number: number, name: name, sql: String(decoding: sql, as: UTF8.self)))
      }
    } catch {
      guard let reason = error.reason else { throw .badName(error.path) }
      throw .unreadable(path: error.path, error: reason)
    }
    try self.init(found, schema: schema)
  }

  /// Applies what is missing and returns it. The connection is used by nobody else meanwhile.
  public func apply(on connection: PostgresConnection) async throws -> [Migration] {
    // A lock of the session: it spans the migrations' transactions, and goes with the session if this process dies.
    try await connection.query("SELECT pg_advisory_lock($1)", [.int64(Self.lock)])
    do {
      let applied = try await applyLocked(on: connection)
      try await connection.query("SELECT pg_advisory_unlock($1)", [.int64(Self.lock)])
      return applied
    } catch {
      _ = try? await connection.query("SELECT pg_advisory_unlock($1)", [.int64(Self.lock)])
      throw error
    }
  }

  /// Throws what `apply` would throw of migrations that have been applied, and changes nothing: to be asked before anything
  /// else touches a database that may be a newer version's.
  public func check(on connection: PostgresConnection) async throws {
    if try await newestApplied(on: connection) > 0 { _ = try await pending(on: connection) }
  }

  /// The number of the newest migration that has been applied, 0 for none.
  public func newestApplied(on connection: PostgresConnection) async throws -> Int {
    let known = try await connection.query("SELECT to_regclass($1) IS NOT NULL AS known", [.text("\(schema).applied")])
    guard try known.oneRow().bool("known") else { return 0 }
    return try await connection.query("SELECT coalesce(max(number), 0)::int4 AS newest FROM \(schema).applied")
      .oneRow().int("newest")
  }

  /// Any number that no other program on the database is likely to use ("terrane" in ASCII).
  private static let lock: Int64 = 0x74_6572_7261_6E65

  /// What makes the table that keeps what was applied.
  private var prelude: String {
    """
    CREATE SCHEMA IF NOT EXISTS \(schema);
    CREATE TABLE IF NOT EXISTS \(schema).applied (
      number int PRIMARY KEY, name text NOT NULL, sha256 bytea NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now());
    ALTER TABLE \(schema).applied ADD COLUMN IF NOT EXISTS program text;
    """
  }

  /// What `apply` does, for psql: to be run by somebody else, inside a transaction. Fails where `check` would throw.
  /// - Parameter sha256: of a text, in hexadecimal digits.
  public func psqlScript(sha256: (String) -> String) -> String {
    let known = migrations.map { "(\($0.number), '\\x\(sha256($0.sql))'::bytea)" }.joined(separator: ",\n    ")
    var script = """
      SELECT pg_advisory_xact_lock(\(Self.lock)) AS terrane_locked \\gset
      \(prelude)
      DO $check$ DECLARE strange text; BEGIN
        SELECT string_agg(format('%s_%s', a.number, a.name), ', ' ORDER BY a.number) INTO strange
          FROM \(schema).applied a LEFT JOIN (VALUES
          \(known)) AS known (number, sha256)
          USING (number) WHERE known.sha256 IS DISTINCT FROM a.sha256;
        IF strange IS NOT NULL THEN
          RAISE EXCEPTION 'these migrations are of another version than \(program ?? "this"): %', strange
            USING HINT = 'Use the newer version of the program.';
        END IF;
      END $check$;

      """
    for migration in migrations {
      script += """
        SELECT NOT EXISTS (SELECT FROM \(schema).applied WHERE number = \(migration.number)) AS terrane_missing \\gset
        \\if :terrane_missing
        \(migration.sql)
        RESET ROLE; RESET search_path;
        INSERT INTO \(schema).applied (number, name, sha256, program)
          VALUES (\(migration.number), '\(migration.name)', '\\x\(sha256(migration.sql))', '\(program ?? "")');
        \\endif

        """
    }
    return script
  }

  private func applyLocked(on connection: PostgresConnection) async throws -> [Migration] {
    try await connection.execute(script: prelude)
    let pending = try await pending(on: connection)
    for migration in pending {
      do {
        try await connection.transaction { transaction in
          try await transaction.execute(script: migration.sql)
          // A script may leave a role or a search path set, which would change what the next statements mean.
          try await transaction.execute(script: "RESET ROLE; RESET search_path;")
          try await transaction.query(
            "INSERT INTO \(schema).applied (number, name, sha256, program) VALUES ($1, $2, sha256($3), $4)",
            [
              .int64(Int64(migration.number)), .text(migration.name), .bytea(Array(migration.sql.utf8)),
              .optional(program),
            ])
        }
      } catch let error as PostgresError {
        throw MigrationError.failed(number: migration.number, name: migration.name, error: error)
      }
    }
    return pending
  }

  /// What has not been applied yet, of a database that has been migrated before. Compares what was applied with what there is.
  /// The server computes the checksums: it has SHA-256, and keeps them anyway.
  public func pending(on connection: PostgresConnection) async throws -> [Migration] {
    let applied = try await connection.query(
      "SELECT number, name, sha256, to_jsonb(a) ->> 'program' AS program FROM \(schema).applied a ORDER BY number")
    var pending = migrations
    var newest = 0
    for row in applied {
      let number = try row.int("number")
      newest = number
      guard let index = pending.firstIndex(where: { $0.number == number }) else {
        let name = try row.text("name")
        if number > migrations.last?.number ?? 0 {
          throw MigrationError.newerThanKnown(
            number: number, name: name, by: try row.optionalText("program"),
            known: migrations.last.map { Self.label($0.number, $0.name) } ?? "any")
        }
        throw MigrationError.missing(number: number, name: name)
      }
      let migration = pending.remove(at: index)
      let same = try await connection.query(
        "SELECT sha256($1) = $2 AS same", [.bytea(Array(migration.sql.utf8)), .bytea(try row.bytes("sha256"))])
      guard try same.oneRow().bool("same") else {
        throw MigrationError.edited(number: number, name: migration.name)
      }
    }
    if let early = pending.first, early.number < newest {
      throw MigrationError.outOfOrder(number: early.number, name: early.name)
    }
    return pending
  }
}
