internal import PostgreSQL

/// The datasets a mosaic is to be made of, looked at when it is asked for: whoever asks hears at once of one that is not there. What
/// counts is what is held when the mosaic is planned (datasets.hold_members).
enum MosaicMembers {
  /// Throws `MEMBERS_NOT_READY` with what is wrong with each.
  static func require(_ members: [DatasetIdentity], on session: some PostgresSession) async throws {
    let rows = try await session.query(
      "SELECT \(DatasetRecord.columns) FROM datasets.records WHERE key = ANY ($1) AND state NOT IN ('PURGING', 'PURGED')",
      [.byteaArray(members.map { DatasetKey(of: $0).bytes })])
    let records = try rows.rows.map { try DatasetRecord($0.reader()) }
    let found = Dictionary(records.map { ($0.identity, $0) }, uniquingKeysWith: { first, _ in first })
    let wrong = members.compactMap { member in fault(found[member]).map { (member.reference, $0) } }
    guard let first = wrong.first else { return }
    var details = ["count": "\(wrong.count)"]
    for (name, what) in wrong.prefix(20) { details["dataset \(name)"] = what }
    throw Problem(
      .membersNotReady, "\(wrong.count) of \(members.count) datasets cannot be used, the first: \(first.0) \(first.1)",
      field: "spec.mosaic.datasets", details: details)
  }

  private static func fault(_ record: DatasetRecord?) -> String? {
    guard let record else { return "does not exist" }
    switch record.spec.type {
    case .vector: return "is a dataset of vectors"
    case .mosaic: return "is a mosaic itself; name what it is made of"
    case .raster, .rasterCollection: break
    }
    return record.state.isServed ? nil : "is not served: \(record.status.rawValue)"
  }

  /// How a mosaic's members stand to the builds it was made of.
  static func state(of build: Int64, of dataset: Int64, on session: some PostgresSession) async throws -> SourceState {
    let rows = try await session.query(
      """
      SELECT bool_or(m.state NOT IN ('PUBLISHED', 'DEPRECATED')) AS gone,
        bool_or(m.published_build <> h.operation_id) AS newer
      FROM coremachine.holds h JOIN datasets.datasets m ON m.pk = h.subject
      WHERE h.holder = $1 AND h.holder_operation = $2
      """, [.int64(dataset), .int64(build)])
    let row = try rows.oneRow()
    guard let gone = try row.optionalBool("gone"), let newer = try row.optionalBool("newer") else { return .unknown }
    return gone ? .missing : newer ? .changed : .unchanged
  }
}
