internal import Foundation
public import PostgreSQL

/// Compares ledger and reality both ways. Reports; deletes nothing; looks at nothing outside this installation's names.
public struct LedgerScan: Sendable {
  private let pool: ConnectionPool
  /// Where attempts have their scratch directories.
  private let scratch: String
  private let files: ServedFiles

  public init(pool: ConnectionPool, scratch: String, files: ServedFiles) {
    self.pool = pool
    self.scratch = scratch
    self.files = files
  }

  public struct Finding: Sendable, Equatable {
    /// table, schema, scratch, file, route, stac_item.
    public var kind: String
    public var identifier: String
    public var detail: String
  }

  public struct Report: Sendable {
    /// Exists, and nothing says why.
    public var unexpected: [Finding] = []
    /// Said to exist, and does not.
    public var missing: [Finding] = []
    public var ledgerRows = 0
    public var things = 0
  }

  /// What exists and what should, in one snapshot.
  public func run() async throws -> Report {
    var report = Report()
    let options = TransactionOptions(isolation: .repeatableRead, readOnly: true)
    let scratch = scratch
    let served = files
    let (rows, directories, files) = try await pool.transaction(options) { transaction in
      (try await transaction.query(Self.sql, []), Self.directories(in: scratch), served.all())
    }
    var expectedFiles: Set<String> = []
    var expectedDirectories: Set<String> = []
    for row in rows {
      let finding = Finding(
        kind: try row.text("kind"), identifier: try row.text("identifier"), detail: try row.text("detail"))
      let exists = try row.bool("thing")
      let expected = try row.bool("expected")
      if expected { report.ledgerRows += 1 }
      if finding.kind == "scratch" {
        expectedDirectories.insert(finding.identifier)
        continue
      }
      if finding.kind == ServedFiles.kind {
        expectedFiles.insert(finding.identifier)
        if try row.bool("must_exist"), !served.exists(finding.identifier) { report.missing.append(finding) }
        continue
      }
      if exists { report.things += 1 }
      if exists && !expected { report.unexpected.append(finding) }
      if expected, !exists, try row.bool("must_exist") { report.missing.append(finding) }
    }
    for directory in directories {
      report.things += 1
      if !expectedDirectories.contains("\(scratch)/\(directory)") {
        report.unexpected.append(Finding(kind: "scratch", identifier: directory, detail: "no ledger row names it"))
      }
    }
    for file in files {
      report.things += 1
      if !expectedFiles.contains(file) {
        report.unexpected.append(
          Finding(kind: ServedFiles.kind, identifier: file, detail: "no ledger row names it"))
      }
    }
    return report
  }

  private static func directories(in scratch: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: scratch)) ?? []).filter { !$0.hasPrefix(".") }
  }

  /// Every thing and every expectation, joined by kind and identifier. INTENT may exist; PRESENT and LIVE must.
  private static let sql = """
    WITH things (kind, identifier) AS (
      SELECT 'table', 'data.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'data' AND c.relkind IN ('r', 'p')
      UNION ALL SELECT 'schema', nspname FROM pg_namespace WHERE nspname LIKE 'staging\\_%'
      UNION ALL SELECT 'route', dataset_pk || '/' || build FROM serving.routes
      UNION ALL SELECT 'stac_item', collection || '/' || id FROM pgstac.items
        WHERE content->'properties' ? 'terrane:datetime_source'
    ), expected (kind, identifier, must_exist, detail) AS (
      SELECT kind, identifier, bool_or(state IN ('PRESENT', 'LIVE') OR bytes IS NOT NULL AND EXISTS (
          -- Replaced, and a mosaic serves it.
          SELECT FROM coremachine.holds h WHERE h.subject = l.subject AND h.operation_id = l.operation_id AND h.until IS NULL)),
          string_agg('ledger ' || state, ', ')
        FROM coremachine.ledger l WHERE state <> 'GONE' GROUP BY kind, identifier
      UNION ALL
      SELECT 'route', pk || '/' || published_build, true, 'dataset ' || state FROM datasets.datasets
        WHERE state IN ('PUBLISHED', 'DEPRECATED')
      UNION ALL
      SELECT 'route', d.pk || '/' || o.operation_id, false, 'operation ' || o.state
        FROM coremachine.operations o JOIN datasets.datasets d ON d.pk = o.subject
        WHERE o.state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED')
          AND (d.published_build IS DISTINCT FROM o.operation_id)
      UNION ALL
      SELECT 'stac_item', (i->>'collection') || '/' || (i->>'id'), true, 'dataset ' || state
        FROM datasets.datasets, datasets.stac_items(publication) i WHERE state IN ('PUBLISHED', 'DEPRECATED')
    )
    SELECT coalesce(t.kind, e.kind) AS kind, coalesce(t.identifier, e.identifier) AS identifier,
      t.kind IS NOT NULL AS thing, e.kind IS NOT NULL AS expected, coalesce(e.must_exist, false) AS must_exist,
      coalesce(e.detail, 'no ledger row names it') AS detail
    FROM things t FULL JOIN expected e ON e.kind = t.kind AND e.identifier = t.identifier
    ORDER BY 1, 2
    """
}
