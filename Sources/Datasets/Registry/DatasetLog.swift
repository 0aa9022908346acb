internal import PostgreSQL
internal import TaskProtocol

/// What one step counted for one reason of warnings.
public struct DatasetLogEntry: Sendable, Equatable {
  /// One place in the source.
  public struct Place: Sendable, Equatable {
    public var layer: String?
    public var feature: Int64?
    public var detail: String
  }

  public var reason: String
  public var count: Int64
  /// Job type of the step.
  public var step: String
  /// The first of them.
  public var places: [Place]
}

extension DatasetRegistry {
  /// The warnings of the newest operation, in the order of its steps.
  ///
  /// - Parameter reason: only this one; nil: all.
  public func log(of dataset: DatasetRecord, reason: String? = nil) async throws -> [DatasetLogEntry] {
    guard let operation = dataset.operation else { return [] }
    let rows = try await pool.query(
      """
      SELECT w.reason, w.count, w.examples::text AS examples, j.job_type
      FROM coremachine.warnings w JOIN coremachine.tasks t USING (task_id) JOIN coremachine.stages s USING (stage_id)
        JOIN coremachine.jobs j USING (job_id)
      WHERE w.operation_id = $1 AND ($2::text IS NULL OR w.reason = $2)
      ORDER BY w.step, w.reason, w.task_id
      """, [.int64(operation.id), reason.map { .text($0) } ?? .null])
    return try rows.map { row in
      let examples = try JSON.decode([WarningExample].self, from: try row.text("examples"))
      return DatasetLogEntry(
        reason: try row.text("reason"), count: try row.int64("count"), step: try row.text("job_type"),
        places: examples.map {
          DatasetLogEntry.Place(layer: $0.layer, feature: $0.feature, detail: $0.detail)
        })
    }
  }
}
