import CoreMachine
import DatasetsTesting
import PostgreSQL
import PostgreSQLTesting
import Synchronization
import Testing

@testable import Datasets

/// A change's notification carries the record, and it is the record that a read answers.
@Suite struct ToldRecordTests {
  /// What one dataset's notifications said, by the number of the change.
  private final class Heard: Sendable {
    private let told = Mutex<[Int64: ToldRecord]>([:])
    private let datasets: TestDatasets
    /// A dataset that does nothing but mark a place among the notifications.
    private let mark: Int64
    let listener: NotificationListener

    init(_ datasets: TestDatasets) async throws {
      self.datasets = datasets
      mark = try await datasets.registry.create(
        try TestDatasets.identity("mark"), TestDatasets.spec(), TestDatasets.caller()
      ).dataset.pk
      listener = NotificationListener(datasets.settings, thread: datasets.pool.thread)
      let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
      let observation = listener.observe(ToldRecord.channel) { [weak self] batch in
        for event in batch {
          guard case .message(let payload, _) = event.notification else {
            isReady.finish()
            continue
          }
          let space = payload.firstIndex(of: " ") ?? payload.endIndex
          self?.told.withLock { $0[Int64(payload[..<space]) ?? -1] = ToldRecord(payload[space...].dropFirst()) }
        }
      }
      for await _ in ready {}
      _ = observation
    }

    /// What was told with a change of which the transaction has ended; nil: nothing.
    func record(_ seq: Int64, of pk: Int64) async throws -> DatasetRecord? {
      let later = try await datasets.touch([mark])
      while told.withLock({ $0[later] == nil }) { try await Task.sleep(for: .milliseconds(2)) }
      let told = told.withLock { $0[seq] }
      if let told { #expect(told.pk == pk) }
      return try told?.record()
    }
  }

  @Test(.timeLimit(.minutes(1))) func whatIsToldIsWhatIsRead() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let heard = try await Heard(datasets)
    let title = "Zürich, \u{1F30D} 'quoted' \\ and \"so\""
    var record = try await datasets.registry.create(
      try TestDatasets.identity(), TestDatasets.spec(title: title), TestDatasets.caller()
    ).dataset
    // Nobody can watch what does not exist.
    #expect(try await heard.record(record.statusSeq, of: record.pk) == nil)
    func check(_ what: String, _ move: () async throws -> Void) async throws {
      try await move()
      record = try await datasets.registry.get(record.key, showDeleted: true)
      let told = try #require(try await heard.record(record.statusSeq, of: record.pk), "\(what)")
      #expect("\(told)" == "\(record)", "\(what)")
    }
    try await check("running") { try await driver.start(record) }
    try await check("planned") { try await driver.succeed(record) }
    try await check("progress") {
      try await datasets.administrator.query(
        """
        INSERT INTO coremachine.progress (operation_id, step, job_type, phase, done, total, unit, message, fraction, rate, warnings)
        SELECT operation_id, 2, 'ingest_vector', 'copy', 7, 9, 'features', 'so far', 0.75, 1.5, '{"REPAIRED": 3}'
        FROM datasets.datasets WHERE pk = $1
        ON CONFLICT (operation_id) DO UPDATE SET message = 'so far', warnings = EXCLUDED.warnings
        """, [.int64(record.pk)])
      _ = try await datasets.touch([record.pk])
    }
    #expect(record.progress?.warnings == ["REPAIRED": 3])
    while record.operation?.state == .running {
      try await check(try await driver.currentJob(record)) { _ = try await driver.succeed(record) }
    }
    #expect(record.status == .ready)
    #expect(record.result != nil)
    try await check("deleted") { _ = try await datasets.registry.delete(record.key, TestDatasets.caller()) }

    record = try await datasets.registry.create(
      try TestDatasets.identity("whatIsToldFails"), TestDatasets.spec(), TestDatasets.caller()
    ).dataset
    try await driver.start(record)
    try await check("failed") { try await driver.fail(record, "CRS_MISSING") }
    #expect(record.operation?.problem?.reason == Reason("CRS_MISSING"))
    heard.listener.close()
  }

  @Test(.timeLimit(.minutes(1))) func whatIsManyOrLargeOrTouchedTwiceIsNotTold() async throws {
    let datasets = try await TestDatasets.shared()
    let heard = try await Heard(datasets)
    var pks: [Int64] = []
    for n in 0..<6 {
      var spec = TestDatasets.spec()
      if n == 5 { spec.metadata.description = String(repeating: "long ", count: 1_600) }
      let made = try await datasets.registry.create(
        try TestDatasets.identity("whatIsMany-\(n)"), spec, TestDatasets.caller())
      pks.append(made.dataset.pk)
    }
    let last = try await datasets.touch(pks)
    for (n, pk) in pks.enumerated() {
      #expect((try await heard.record(last - 5 + Int64(n), of: pk) != nil) == (n < 4), "\(n)")
    }
    #expect(try await heard.record(try await datasets.touch([pks[0]]), of: pks[0]) != nil)
    #expect(try await heard.record(try await datasets.touch([pks[5]]), of: pks[5]) == nil)
    let (first, second) = try await datasets.pool.transaction { transaction in
      let sql = "SELECT coremachine.touch(ARRAY[$1::bigint]) AS n"
      let first = try await transaction.query(sql, [.int64(pks[1])]).oneRow().int64("n")
      return (first, try await transaction.query(sql, [.int64(pks[1])]).oneRow().int64("n"))
    }
    #expect(try await heard.record(first, of: pks[1]) == nil)
    #expect(try await heard.record(second, of: pks[1])?.statusSeq == second)
    heard.listener.close()
  }
}

extension TestDatasets {
  /// Changes datasets outwardly without changing them; answers the last change's number.
  fileprivate func touch(_ pks: [Int64]) async throws -> Int64 {
    try await pool.query("SELECT coremachine.touch($1::bigint[]) AS n", [.int64Array(pks.map(Optional.init))])
      .oneRow().int64("n")
  }
}
