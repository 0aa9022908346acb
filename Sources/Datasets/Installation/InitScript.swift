internal import PostgreSQL

extension DatabaseInstaller {
  /// What `install` does, as a script for psql: for a database whose administrator is somebody else. All of it happens or
  /// nothing does; run again it changes nothing but the passwords, and does what a newer version has added. It holds no
  /// secret: of the passwords only what PostgreSQL keeps of them.
  public func script(_ logins: Logins) throws -> String {
    let migrations = try migrations().psqlScript { SHA256Digest.of(Array($0.utf8)).hexDigits }
    return """
      -- What terraned \(version) needs of a database of its own: extensions, roles, schemas, pgstac, migrations.
      -- For a superuser, in that database, with psql:
      --   createdb terrane
      --   psql -X -v ON_ERROR_STOP=1 -d terrane -f THIS_FILE
      -- Run it again after an upgrade of terraned, or with more slots. It holds no secret.
      \\set ON_ERROR_STOP on
      \\set QUIET on
      SET client_min_messages = warning;
      BEGIN;

      \(try read("\(sqlFolder)/bootstrap.sql"))

      -- pgstac \(Self.pgstacVersion)
      SELECT to_regprocedure('pgstac.get_version()') IS NULL AS terrane_missing \\gset
      \\if :terrane_missing
      \(try read(pgstacFile))
      RESET ROLE; RESET search_path;
      \\endif
      \(Self.pgstacRights)

      -- Terrane's own tables and functions
      \(migrations)
      \(Self.migrationRights)

      -- Logins
      \(Self.loginScript(logins, kept: { ScramVerifier.make($0) }))
      COMMIT;
      \\echo terrane: the database is ready for terraned \(version) with \(slots) slots

      """
  }
}
