import CoreMachine
import CoreMachineTesting
import Foundation
import PostgreSQL
import Testing

/// Who holds a task, and who can change it.
@Suite struct LeaseTests {
  private static let complete = """
    SELECT count(*) FROM coremachine.complete_tasks('stale', ARRAY[$1::bigint], ARRAY[$2::int], ARRAY['SUCCEEDED'],
      ARRAY['{"stale":true}'], ARRAY[NULL], ARRAY[NULL]::bigint[], 20)
    """

  @Test func anAttemptThatIsNotCurrentChangesNothing() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,verify", parameters: #"{"script":"hang_first","on":"probe"}"#)
      try await fixture.eventually("RUNNING", "SELECT state FROM coremachine.tasks WHERE task_id = 1")
      // Another attempt than the current one, before and after.
      for attempt: Int64 in [0, 2] {
        #expect(try await fixture.text(Self.complete, [.int64(1), .int64(attempt)]) == "0")
      }
      #expect(try await fixture.text("SELECT state || attempt FROM coremachine.tasks WHERE task_id = 1") == "RUNNING1")
      #expect(try await fixture.text("SELECT remaining FROM coremachine.stages WHERE stage_id = 1") == "1")
      #expect(
        try await fixture.text(
          "SELECT coremachine.ledger_intend(1, 2, 'schema', 'x')") == nil)
      #expect(
        try await fixture.text(
          "SELECT coremachine.write_progress(ARRAY[1::bigint], ARRAY[2], ARRAY['p'], ARRAY['u'], ARRAY[1::bigint], ARRAY[2::bigint], ARRAY['m'], ARRAY[0.5::float8], ARRAY['[]'])"
        )
          == "0")
      _ = id
    }
  }

  /// A batch holds what several workers and the reaper say at the same time.
  @Test func aRefusedRowHidesNoCurrentOneOfItsBatch() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,verify", parameters: #"{"script":"hang","on":"probe"}"#)
      try await fixture.eventually("RUNNING", "SELECT state FROM coremachine.tasks WHERE task_id = 1")
      func batch(_ former: Int64, _ outcome: String, _ current: Int64) async throws -> String? {
        try await fixture.text(
          """
          SELECT string_agg(ordinal || state, ',') FROM coremachine.complete_tasks('batch', ARRAY[1, 1],
            ARRAY[$1::integer, $3::integer], ARRAY[$2::text, 'RETRY'], ARRAY[NULL, NULL], ARRAY[NULL, '{"reason":"BUSY"}'],
            ARRAY[NULL, 3600000]::bigint[], 20) WHERE row_kind = 'task'
          """, [.int64(former), .text(outcome), .int64(current)])
      }
      // Of the attempt before.
      #expect(try await batch(0, "SUCCEEDED", 1) == "2WAITING")
      try await fixture.pool.query("UPDATE coremachine.tasks SET not_before = now() WHERE task_id = 1")
      try await fixture.eventually("RUNNING2", "SELECT state || attempt FROM coremachine.tasks WHERE task_id = 1")
      // The reaper's, of a lease that was renewed after it had looked.
      #expect(try await batch(2, "LOST", 2) == "2WAITING")
      try await fixture.cancel(id)
      #expect(try await fixture.reaches("CANCELLED", id) == "CANCELLED")
    }
  }

  /// The worker that lost its lease learns it when it adopts, and ends its attempt: the task, which waits for its next claim
  /// under the same attempt number, is not its to cancel.
  @Test func aRefusedAdoptionCancelsNothingOfAnOperationThatGoesOn() async throws {
    try await withEngine(slots: 0) { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "probe,verify")
      func cancelTask() async throws -> String? {
        try await fixture.text(
          """
          SELECT string_agg(state, ',') FROM coremachine.complete_tasks('late', ARRAY[1], ARRAY[0], ARRAY['CANCELLED'],
            ARRAY[NULL], ARRAY[NULL], ARRAY[NULL]::bigint[], 20) WHERE row_kind = 'task'
          """)
      }
      #expect(try await cancelTask() == nil)
      #expect(try await fixture.text("SELECT state FROM coremachine.tasks WHERE task_id = 1") == "QUEUED")
      // Where the operation is to stop, everybody may say so.
      try await fixture.cancel(id)
      #expect(
        try await fixture.eventually("CANCELLED", "SELECT state FROM coremachine.tasks WHERE task_id = 1")
          == "CANCELLED")
    }
  }

  @Test func aTaskWhoseEngineDiedRunsAgainElsewhereWithoutLosingATry() async throws {
    let fixture = try await freshFixture()
    let dying = try await fixture.engine()
    let id = try await fixture.begin(
      subject: 1, kind: "probe,verify", parameters: #"{"script":"hang_first","on":"probe"}"#)
    try await fixture.eventually("RUNNING", "SELECT state FROM coremachine.tasks WHERE task_id = 1")
    await dying.cutOff()
    let heir = try await fixture.engine()
    #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
    #expect(
      try await fixture.text(
        "SELECT concat_ws(':', attempt, failures, lost_leases) FROM coremachine.tasks WHERE task_id = 1")
        == "2:0:1")
    await heir.stop()
    await dying.stop()
  }

  @Test func aTaskThatLosesItsLeaseAgainAndAgainFails() async throws {
    try await withEngine(adjust: { $0.crashLoop = 3 }) { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "probe,verify", parameters: #"{"script":"hang"}"#)
      for attempt in 1...3 {
        try await fixture.eventually(
          "RUNNING\(attempt)", "SELECT state || attempt FROM coremachine.tasks WHERE task_id = 1")
        try await fixture.pool.query(
          "UPDATE coremachine.leases SET engine = gen_random_uuid(), expires_at = '-infinity'")
      }
      #expect(try await fixture.reaches("FAILED", id) == "FAILED")
      #expect(try await fixture.text("SELECT problem->>'reason' FROM coremachine.operations") == "CRASH_LOOP")
    }
  }

  /// The child of a lease that was taken away is ended, and says nothing.
  @Test func aRefusedRenewalEndsTheChild() async throws {
    try await withEngine(slots: 1) { fixture, engine in
      _ = try await fixture.begin(
        subject: 1, kind: "probe,verify", parameters: #"{"script":"hang_first","on":"probe"}"#)
      try await fixture.eventually("RUNNING", "SELECT state FROM coremachine.tasks WHERE task_id = 1")
      try await fixture.pool.query(
        "UPDATE coremachine.leases SET engine = gen_random_uuid(), expires_at = now() + interval '1 hour'")
      let deadline = ContinuousClock.now + .seconds(10)
      while engine.machine.running > 0, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(10)) }
      #expect(engine.machine.running == 0)
      #expect(try await fixture.text("SELECT state || attempt FROM coremachine.tasks WHERE task_id = 1") == "RUNNING1")
    }
  }

  @Test func aSilentTaskIsEndedAndTriedAgain() async throws {
    let types = ScriptedChain.jobTypes.map { type in
      var type = type
      if type.name == "probe" { type.stages[0].silenceLimit = .milliseconds(300) }
      return type
    }
    try await withEngine(jobTypes: types) { fixture, _ in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,verify", parameters: #"{"script":"hang_first","on":"probe"}"#)
      #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
      #expect(
        try await fixture.text(
          "SELECT min(reason) FROM coremachine.events WHERE resource = 'task' AND to_state = 'WAITING'")
          == "TASK_SILENT")
    }
  }

  @Test func aTaskOverItsTimeLimitIsEnded() async throws {
    let types = ScriptedChain.jobTypes.map { type in
      var type = type
      if type.name == "probe" { type.stages[0].timeLimit = TimeLimit(base: .milliseconds(300), perByte: .zero) }
      return type
    }
    try await withEngine(jobTypes: types) { fixture, _ in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,verify", parameters: #"{"script":"hang_first","on":"probe"}"#)
      #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
      #expect(
        try await fixture.text(
          "SELECT min(reason) FROM coremachine.events WHERE resource = 'task' AND to_state = 'WAITING'")
          == "TASK_TIME_LIMIT")
    }
  }

  @Test func anEngineThatStopsGivesItsTasksBack() async throws {
    let fixture = try await freshFixture()
    let first = try await fixture.engine()
    let id = try await fixture.begin(
      subject: 1, kind: "probe,verify", parameters: #"{"script":"hang_first","on":"probe"}"#)
    try await fixture.eventually("RUNNING", "SELECT state FROM coremachine.tasks WHERE task_id = 1")
    await first.stop()
    #expect(try await fixture.text("SELECT state FROM coremachine.tasks WHERE task_id = 1") == "QUEUED")
    let second = try await fixture.engine()
    #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
    #expect(try await fixture.text("SELECT failures + lost_leases FROM coremachine.tasks WHERE task_id = 1") == "0")
    await second.stop()
  }

  @Test func aWorkerClaimsOnlyHandlersItHas() async throws {
    let newer = ScriptedChain.jobTypes.map { type in
      var type = type
      type.handlerVersion = 2
      return type
    }
    let fixture = try await freshFixture()
    let old = try await fixture.engine()
    let registering = try await fixture.engine(slots: 0, jobTypes: newer)
    let id = try await fixture.begin(subject: 1, kind: "probe,verify")
    try await Task.sleep(for: .milliseconds(500))
    #expect(try await fixture.state(id) == "QUEUED")
    let new = try await fixture.engine(jobTypes: newer)
    #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
    for engine in [old, registering, new] { await engine.stop() }
  }
}
