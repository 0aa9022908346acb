import CoreMachine
import CoreMachineTesting
import PostgreSQL
import Synchronization
import Testing

@Suite struct DutyTests {
  @Test func aDutyIsDoneUntilItIsDoneAndThenGoes() async throws {
    let seen = Mutex<[String]>([])
    struct Unwilling: Error {}
    let purge = DutyDefinition(kind: "purge") { context in
      let count = seen.withLock { seen in
        seen.append("\(context.key) \(context.payload) \(context.failures)")
        return seen.count
      }
      switch count {
      case 1: throw Unwilling()
      case 2: return .again(after: .milliseconds(10))
      default: return .done
      }
    }
    let fixture = try await freshFixture()
    let engines = [try await fixture.engine(duties: [purge]), try await fixture.engine(duties: [purge])]
    try await fixture.pool.query(#"SELECT coremachine.schedule_duty('purge', '7', '{"subject":7}')"#)
    #expect(
      try await fixture.eventually("0", "SELECT count(*) FROM coremachine.duties WHERE kind = 'purge'") == "0")
    #expect(seen.withLock { $0 } == [#"7 {"subject":7} 0"#, #"7 {"subject":7} 1"#, #"7 {"subject":7} 0"#])
    for engine in engines { await engine.stop() }
  }

  /// The connection is lost while a duty runs: that it is finished cannot be said, and it is due again at once, not when the lease
  /// (two minutes) is over.
  @Test func aDutyWhoseEndCouldNotBeSaidRunsAgain() async throws {
    let runs = Atomic<Int>(0)
    let fixture = try await freshFixture()
    let pool = fixture.pool
    let purge = DutyDefinition(kind: "purge") { _ in
      if runs.add(1, ordering: .relaxed).newValue == 1 {
        // Its own session among them.
        try await pool.query(
          """
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()
          """)
      }
      return .done
    }
    let engine = try await fixture.engine(duties: [purge])
    try await fixture.pool.query("SELECT coremachine.schedule_duty('purge', '7')")
    #expect(
      try await fixture.eventually("0", "SELECT count(*) FROM coremachine.duties WHERE kind = 'purge'") == "0")
    #expect(runs.load(ordering: .relaxed) == 2)
    await engine.stop()
  }

  @Test func oldTasksAreForgottenAndEventPartitionsAreKept() async throws {
    try await withEngine(adjust: {
      $0.taskRetention = .milliseconds(1)
      $0.retentionInterval = .milliseconds(100)
    }) { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "probe,verify")
      #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
      #expect(try await fixture.eventually("0", "SELECT count(*) FROM coremachine.tasks") == "0")
      #expect(try await fixture.text("SELECT count(*) FROM coremachine.jobs") == "2")
      #expect(
        try await fixture.text(
          """
          SELECT count(*) FROM pg_inherits WHERE inhparent = 'coremachine.events'::regclass
          """) == "4")
      #expect(try await fixture.text("SELECT count(*) FROM coremachine.events_unfiled") == "0")
    }
  }
}
