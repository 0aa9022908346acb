public import CoreMachine
internal import PostgreSQL

/// How CoreMachine removes what datasets leave in the ledger.
public enum DatasetGarbage {
  /// Served files. Whoever has one open reads on; its bytes go with the last reader.
  public static func files(_ files: ServedFiles) -> GarbageRemover {
    GarbageRemover(
      kind: ServedFiles.kind, remove: { item, _ in try files.remove(item.identifier) },
      exists: { item, _ in files.exists(item.identifier) })
  }

  /// Served tables. Dropping one waits for its readers at most two seconds; garbage collection comes again.
  public static let tables = GarbageRemover(
    kind: "table",
    remove: { item, transaction in
      guard let name = ServedTable.name(identifier: item.identifier) else {
        throw Problem(.internalError, "the ledger lists a table that is none of ours: \(item.identifier.excerpt)")
      }
      _ = try await transaction.query("SET LOCAL lock_timeout = '2s'", [])
      try await transaction.execute(script: "DROP TABLE IF EXISTS data.\(name)")
    },
    exists: { item, transaction in
      let found = try await transaction.query(
        "SELECT to_regclass($1) IS NOT NULL AS there", [.text(item.identifier)])
      return try found.oneRow().bool("there")
    })
}
