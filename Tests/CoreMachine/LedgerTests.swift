import CoreMachine
import CoreMachineTesting
import PostgreSQL
import Synchronization
import TaskProtocol
import Testing

/// Nothing is left behind.
@Suite struct LedgerTests {
  /// A load whose adopt hook takes a table over.
  private static let jobTypes = ScriptedChain.jobTypes.map { type in
    var type = type
    if type.name == "load" {
      type.adopt = { context in
        let name = "built_\(context.operationID)"
        try await context.transaction.query(
          "SELECT coremachine.ledger_present($1, $2, 'table', $3, 10)",
          [.int64(context.taskID), .int32(context.attempt), .text("public.\(name)")])
        try await context.transaction.execute(script: "DROP TABLE IF EXISTS public.\(name)")
        try await context.transaction.execute(script: "CREATE TABLE public.\(name) (n integer)")
        return #"{"table":"\#(name)"}"#
      }
    }
    return type
  }

  private static let tables = GarbageRemover(kind: "table") { item, transaction in
    try await transaction.execute(script: "DROP TABLE IF EXISTS \(item.identifier)")
  } exists: { item, transaction in
    try await transaction.query("SELECT to_regclass($1) IS NOT NULL AS there", [.text(item.identifier)]).oneRow()
      .bool("there")
  }

  private static func withChildDatabase(_ settings: inout CoreMachineSettings) {
    settings.childDatabase = ChildDatabase(host: "/nowhere", port: 1, database: "none")
  }

  private static let states = """
    SELECT string_agg(DISTINCT kind || ':' || state, ',' ORDER BY kind || ':' || state) FROM coremachine.ledger
    """

  @Test func whatAnAttemptWorkedInGoesAndWhatWasAdoptedStays() async throws {
    try await withEngine(jobTypes: Self.jobTypes, garbage: [Self.tables], adjust: Self.withChildDatabase) {
      fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "probe,load,verify")
      #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
      #expect(
        try await fixture.eventually("schema:GONE,scratch:GONE,table:PRESENT", Self.states)
          == "schema:GONE,scratch:GONE,table:PRESENT")
      #expect(
        try await fixture.text("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'staging%'") == "0")
      #expect(try await fixture.text("SELECT to_regclass('public.built_\(id)')") == "built_\(id)")
      #expect(
        try await fixture.text("SELECT results[1]->>'table' FROM coremachine.jobs WHERE job_type = 'load'")
          == "built_\(id)")
      // Publishing serves it; a replacement dooms it.
      #expect(try await fixture.text("SELECT coremachine.ledger_live($1)", [.int64(id)]) == "1")
      #expect(try await fixture.text("SELECT coremachine.ledger_doom(1, $1, '0')", [.int64(id)]) == "0")
      #expect(try await fixture.text("SELECT coremachine.ledger_doom(1, NULL, '1 hour')") == "1")
      // Its readers may be as slow as they were told, unless all of it is to go.
      #expect(try await fixture.text("SELECT coremachine.ledger_doom(1, NULL, '0')") == "0")
      #expect(try await fixture.text("SELECT coremachine.ledger_doom_all_now(1)") == "1")
      #expect(try await fixture.eventually("0", "SELECT count(*) FROM coremachine.ledger WHERE state <> 'GONE'") == "0")
      #expect(try await fixture.text("SELECT to_regclass('public.built_\(id)')") == nil)
    }
  }

  @Test func whatAFailedOperationBuiltGoesAfterTheRetryWindow() async throws {
    try await withEngine(jobTypes: Self.jobTypes, garbage: [Self.tables], adjust: Self.withChildDatabase) {
      fixture, _ in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,load,verify", parameters: #"{"script":"fail","on":"verify"}"#)
      #expect(try await fixture.reaches("FAILED", id) == "FAILED")
      #expect(try await fixture.text("SELECT state FROM coremachine.ledger WHERE kind = 'table'") == "PRESENT")
      #expect(
        try await fixture.eventually("GONE", "SELECT state FROM coremachine.ledger WHERE kind = 'table'") == "GONE")
      #expect(try await fixture.text("SELECT to_regclass('public.built_\(id)')") == nil)
    }
  }

  @Test func aRetryKeepsWhatTheFailedOperationBuilt() async throws {
    let adjust: (inout CoreMachineSettings) -> Void = { settings in
      Self.withChildDatabase(&settings)
      settings.retryWindow = .seconds(3600)
    }
    try await withEngine(jobTypes: Self.jobTypes, garbage: [Self.tables], adjust: adjust) { fixture, _ in
      let failed = try await fixture.begin(
        subject: 1, kind: "probe,load,verify", parameters: #"{"script":"fail","on":"verify"}"#)
      #expect(try await fixture.reaches("FAILED", failed) == "FAILED")
      let retry = try await fixture.begin(subject: 1, kind: "probe,load,verify", retryOf: failed, firstStep: 3)
      #expect(try await fixture.reaches("SUCCEEDED", retry) == "SUCCEEDED")
      #expect(
        try await fixture.text("SELECT state || operation_id FROM coremachine.ledger WHERE kind = 'table'")
          == "PRESENT\(retry)")
    }
  }

  /// Adopted, then lost before its completion: the next attempt takes the same name over.
  @Test func anAdoptionWhoseCompletionWasLostIsMadeAgain() async throws {
    let fixture = try await freshFixture()
    let first = try await fixture.engine(
      jobTypes: Self.jobTypes, garbage: [Self.tables], adjust: Self.withChildDatabase)
    let id = try await fixture.begin(
      subject: 1, kind: "probe,load,verify", parameters: #"{"script":"hang_first","on":"load"}"#)
    try await fixture.eventually("RUNNING", "SELECT state FROM coremachine.tasks WHERE handler = 'load/1'")
    // What the first attempt's adopt hook leaves, as if the engine had died right after it.
    try await fixture.pool.transaction { transaction in
      try await transaction.query(
        """
        SELECT coremachine.ledger_present(task_id, 1, 'table', 'public.built_\(id)', 10) FROM coremachine.tasks
        WHERE handler = 'load/1'
        """)
      try await transaction.execute(script: "CREATE TABLE public.built_\(id) (old integer)")
    }
    await first.cutOff()
    let second = try await fixture.engine(
      jobTypes: Self.jobTypes, garbage: [Self.tables], adjust: Self.withChildDatabase)
    #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
    #expect(
      try await fixture.text(
        "SELECT string_agg(attempt || ':' || state, ',' ORDER BY attempt) FROM coremachine.ledger WHERE kind = 'table'")
        == "1:GONE,2:PRESENT")
    #expect(
      try await fixture.text(
        "SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid = 'public.built_\(id)'::regclass AND attnum > 0"
      )
        == "n")
    await second.stop()
    await first.stop()
  }

  @Test func garbageThatIsStillThereIsTriedAgain() async throws {
    let blows = Mutex(0)
    let stubborn = GarbageRemover(kind: "stone") { _, _ in
      blows.withLock { $0 += 1 }
    } exists: { _, _ in
      blows.withLock { $0 < 2 }
    }
    try await withEngine(garbage: [stubborn]) { fixture, _ in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,verify", parameters: #"{"script":"hang","on":"verify"}"#)
      try await fixture.eventually("RUNNING", "SELECT state FROM coremachine.tasks WHERE handler = 'verify/1'")
      try await fixture.pool.query(
        "SELECT coremachine.ledger_intend(task_id, 1, 'stone', 's') FROM coremachine.tasks WHERE handler = 'verify/1'")
      try await fixture.cancel(id)
      #expect(
        try await fixture.eventually("GONE", "SELECT state FROM coremachine.ledger WHERE kind = 'stone'") == "GONE")
      #expect(try await fixture.text("SELECT failures FROM coremachine.ledger WHERE kind = 'stone'") == "1")
      #expect(blows.withLock { $0 } == 2)
    }
  }
}
