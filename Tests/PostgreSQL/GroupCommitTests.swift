import PostgreSQL
import PostgreSQLTesting
import Testing

@Suite(.timeLimit(.minutes(2))) struct GroupCommitTests {
  private struct Fixture {
    var observer: PostgresConnection
    var lanes: CommitLanes
  }

  private func fixture(lanes count: Int = 2) async throws -> Fixture {
    let cluster = try await TestCluster.shared()
    let settings = try await cluster.freshDatabase()
    let observer = try await PostgresConnection.connect(settings, on: cluster.thread)
    try await observer.execute(
      script: """
        CREATE TABLE t (n bigint PRIMARY KEY, transaction bigint NOT NULL DEFAULT txid_current(), CHECK (n >= 0))
        """)
    let lanes = CommitLanes(settings.named("lanes"), count: count, thread: cluster.thread)
    try await lanes.connect()
    return Fixture(observer: observer, lanes: lanes)
  }

  private static func inserter(
    _ lanes: CommitLanes, limits: GroupCommit<Int64, Int64>.Limits = .init()
  ) -> GroupCommit<Int64, Int64> {
    GroupCommit(lanes: lanes, limits: limits, areInOrder: <) { transaction, rows in
      let inserted = try await transaction.query(
        "INSERT INTO t (n) SELECT * FROM unnest($1::bigint[]) RETURNING n", [.int64Array(rows)])
      return try inserted.map { .success(try $0.int64("n")) }
    }
  }

  @Test func `A thousand rows at once need few commits, and each gets its own answer`() async throws {
    let fixture = try await fixture()
    let commit = Self.inserter(fixture.lanes)
    try await withThrowingTaskGroup(of: (Int64, Int64).self) { group in
      for number in 0..<1000 { group.addTask { (Int64(number), try await commit.submit(Int64(number))) } }
      for try await (asked, answered) in group { #expect(asked == answered) }
    }
    #expect(try await fixture.observer.count("t") == 1000)
    let transactions = try await fixture.observer.query("SELECT count(DISTINCT transaction) AS n FROM t").oneRow().int(
      "n")
    #expect(transactions < 100)
    #expect(commit.counts.rows == 1000)
    #expect(commit.counts.batches == transactions)
    await fixture.lanes.close()
  }

  @Test func `One bad row fails alone`() async throws {
    let fixture = try await fixture()
    let commit = Self.inserter(fixture.lanes)
    let failures = try await withThrowingTaskGroup(of: PostgresError?.self) { group in
      for number in 0..<300 {
        group.addTask {
          do {
            _ = try await commit.submit(number == 150 ? -1 : Int64(number))
            return nil
          } catch let error as PostgresError { return error }
        }
      }
      return try await group.reduce(into: [PostgresError]()) { if let error = $1 { $0.append(error) } }
    }
    #expect(failures.count == 1)
    #expect(failures.first?.isCheckViolation == true)
    #expect(try await fixture.observer.count("t") == 299)
    await fixture.lanes.close()
  }

  @Test func `A failure given as a row's result leaves the others committed in the same transaction`() async throws {
    struct Odd: Error {}
    let fixture = try await fixture()
    let commit = GroupCommit<Int64, Int64>(lanes: fixture.lanes) { transaction, rows in
      let even = rows.filter { $0.isMultiple(of: 2) }
      try await transaction.query("INSERT INTO t (n) SELECT * FROM unnest($1::bigint[])", [.int64Array(even)])
      return rows.map { $0.isMultiple(of: 2) ? .success($0) : .failure(Odd()) }
    }
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<20 {
        group.addTask {
          let outcome = await Result { try await commit.submit(Int64(number)) }
          if number.isMultiple(of: 2) {
            #expect((try? outcome.get()) == Int64(number))
          } else {
            #expect(throws: Odd.self) { try outcome.get() }
          }
        }
      }
    }
    #expect(try await fixture.observer.count("t") == 10)
    #expect(commit.counts.split == 0)
    await fixture.lanes.close()
  }

  @Test func `Too many waiting rows are refused, and the rest goes through`() async throws {
    let fixture = try await fixture(lanes: 1)
    let commit = Self.inserter(fixture.lanes, limits: .init(batchRows: 4, waitingRows: 8))
    // The table is locked, so the lane's batch stands and everything else waits.
    let outcome = try await fixture.observer.transaction { transaction in
      try await transaction.query("LOCK TABLE t")
      let tasks = (0..<40).map { number in Task { try await commit.submit(Int64(number)) } }
      try await eventually("nothing was refused") { commit.counts.refused >= 40 - 4 - 8 }
      return tasks
    }
    var overloaded = 0
    for task in outcome {
      do { _ = try await task.value } catch let error as PostgresError {
        #expect(error.kind == .overloaded)
        overloaded += 1
      }
    }
    #expect(overloaded == commit.counts.refused)
    #expect(try await fixture.observer.count("t") == 40 - overloaded)
    await fixture.lanes.close()
  }

  @Test func `Two kinds of rows share the lanes`() async throws {
    let fixture = try await fixture(lanes: 1)
    let low = Self.inserter(fixture.lanes)
    let high = Self.inserter(fixture.lanes)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<500 {
        group.addTask { _ = try await low.submit(Int64(number)) }
        group.addTask { _ = try await high.submit(Int64(1_000_000 + number)) }
      }
      try await group.waitForAll()
    }
    #expect(try await fixture.observer.count("t") == 1000)
    await fixture.lanes.close()
  }

  @Test func `Lanes whose sessions were ended come back`() async throws {
    let fixture = try await fixture()
    let commit = Self.inserter(fixture.lanes)
    _ = try await commit.submit(1)
    try await fixture.observer.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lanes' AND datname = current_database()"
    )
    var next: Int64 = 2
    try await eventually("the lanes stayed dead") {
      next += 1
      return (try? await commit.submit(next)) != nil
    }
    await fixture.lanes.close()
    #expect(try await failure { try await commit.submit(0) }.kind == .connectionLost)
  }
}

extension Result where Failure == any Error {
  init(_ body: () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }
}
