public import PostgreSQL

/// Datasets that changed after a number of the change feed, read whole in one statement: who watches a few of them hears of a
/// change one round trip after its commit.
public struct ChangedRecords: Sendable {
  public var records: [DatasetRecord]
  /// Every change up to here was committed when the statement ran.
  public var upTo: Int64

  /// The statement whose rows `init` reads. The counter and the records are of one snapshot, and numbers are handed out in
  /// the order of commits: what is not among the records by then has a greater number than `upTo`.
  public static func statement(among pks: [Int64], after seq: Int64) -> PostgresStatement {
    PostgresStatement(
      """
      SELECT k.feed_last, \(DatasetRecord.columns)
      FROM (SELECT last AS feed_last FROM coremachine.change_counter) k
      LEFT JOIN datasets.records r ON r.status_seq > $1 AND r.pk = ANY ($2::bigint[])
      """, [.int64(seq), .int64Array(pks)])
  }

  public init(_ rows: PGResult) throws {
    upTo = try rows.first?.int64("feed_last") ?? 0
    records = try rows.filter { try $0.optionalInt64("pk") != nil }.map { try DatasetRecord($0.reader(from: 1)) }
  }
}

/// A dataset as it was when a transaction that changed it ended, out of the notification that announced it
/// (datasets.tell_record).
public struct ToldRecord: Sendable {
  public static let channel = "terrane_records"

  public var pk: Int64
  private let encoded: Substring

  /// - Parameter text: What follows the change's number.
  public init?(_ text: Substring) {
    guard let space = text.utf8.firstIndex(of: UInt8(ascii: " ")), let pk = Int64(text[..<space]) else { return nil }
    self.pk = pk
    encoded = text[text.utf8.index(after: space)...]
  }

  /// Throws where the database tells other columns than this version reads.
  public func record() throws -> DatasetRecord {
    guard let bytes = [UInt8](hexDigits: encoded) else { throw DatasetRecord.RecordError.malformed("told", pk) }
    return try DatasetRecord(PGResult(composite: bytes, columns: Self.columns).oneRow().reader())
  }

  /// The names in DatasetRecord.columns: what stands last in each of its terms.
  private static let columns = PGColumns(
    DatasetRecord.columns.split(separator: ",").map { String($0.split(whereSeparator: \.isWhitespace).last ?? "") })
}
