import CoreMachine
import CoreMachineTesting
import PostgreSQL
import Testing

/// Cancel, and its race against publishing.
@Suite struct CancelTests {
  @Test func aQueuedOperationIsCancelledAtOnce() async throws {
    let fixture = try await freshFixture()
    let registering = try await fixture.engine(slots: 0)
    let id = try await fixture.begin(subject: 1, kind: "probe,verify")
    #expect(try await fixture.cancel(id) == "CANCELLED")
    #expect(try await fixture.cancel(id) == "CANCELLED")
    #expect(try await fixture.cancel(12345) == nil)
    // Its task never runs, and its job ends with it.
    #expect(
      try await fixture.eventually(
        "CANCELLED", "SELECT state FROM coremachine.jobs WHERE operation_id = $1", [.int64(id)])
        == "CANCELLED")
    #expect(try await fixture.text("SELECT attempt FROM coremachine.tasks") == "0")
    await registering.stop()
  }

  @Test func aRunningOperationIsStoppedWithinTwoSeconds() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,load,verify", parameters: #"{"script":"hang","on":"load"}"#)
      try await fixture.eventually("RUNNING", "SELECT state FROM coremachine.tasks WHERE handler = 'load/1'")
      let began = ContinuousClock.now
      #expect(try await fixture.cancel(id) == "CANCELLING")
      #expect(try await fixture.reaches("CANCELLED", id) == "CANCELLED")
      #expect(ContinuousClock.now - began < .seconds(2))
      #expect(
        try await fixture.text("SELECT string_agg(to_state, ',') FROM public.moves") == "RUNNING,CANCELLED")
      #expect(try await fixture.text("SELECT count(*) FROM public.published") == "0")
      #expect(try await fixture.text("SELECT bool_or(stopping) FROM coremachine.operations") == "false")
    }
  }

  @Test func aWaitingRetryIsCancelledToo() async throws {
    let types = ScriptedChain.jobTypes.map { type in
      var type = type
      type.stages[0].retry = RetryPolicy(base: .seconds(3600))
      return type
    }
    try await withEngine(jobTypes: types) { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "probe,verify", parameters: #"{"script":"fail_always"}"#)
      try await fixture.eventually("WAITING", "SELECT state FROM coremachine.tasks")
      try await fixture.cancel(id)
      #expect(try await fixture.reaches("CANCELLED", id) == "CANCELLED")
    }
  }

  /// Many rounds at different moments: either the cancel holds and nothing is published, or it came too late and the
  /// operation SUCCEEDED with its effects. Never both, never neither.
  @Test func exactlyOneOfCancelAndPublishWins() async throws {
    try await withEngine(slots: 4) { fixture, _ in
      var published = 0
      var cancelled = 0
      for round in 0..<60 {
        let id = try await fixture.begin(subject: Int64(round), kind: "verify")
        // From "as early as can be" to "most likely too late".
        if round % 3 > 0 { try await Task.sleep(for: .milliseconds(Int64(round % 20))) }
        let answer = try await fixture.cancel(id)
        let expected = answer == "SUCCEEDED" ? "SUCCEEDED" : "CANCELLED"
        #expect(["CANCELLED", "CANCELLING", "SUCCEEDED"].contains(answer), "\(String(describing: answer))")
        #expect(try await fixture.reaches(expected, id) == expected)
        let rows = try await fixture.text("SELECT count(*) FROM public.published WHERE operation_id = $1", [.int64(id)])
        #expect(rows == (expected == "SUCCEEDED" ? "1" : "0"))
        if expected == "SUCCEEDED" { published += 1 } else { cancelled += 1 }
      }
      #expect(published + cancelled == 60)
      #expect(cancelled > 0)
    }
  }

  /// The race held open: the publish has marked its task and locked the operation when the cancel comes, and the other way
  /// round.
  @Test func whoeverLocksTheOperationFirstWins() async throws {
    let fixture = try await freshFixture()
    let registering = try await fixture.engine(slots: 0)
    for cancelFirst in [true, false] {
      let id = try await fixture.begin(subject: cancelFirst ? 1 : 2, kind: "verify")
      let task = try await fixture.pool.query(
        "SELECT task_id FROM coremachine.claim_tasks(gen_random_uuid(), ARRAY['verify/1'], ARRAY[0], 60000)"
      ).oneRow().int64("task_id")
      let mark = """
        SELECT row_kind, state FROM coremachine.complete_tasks('t', ARRAY[$1::bigint], ARRAY[1], ARRAY['SUCCEEDED'],
          ARRAY['{}'], ARRAY[NULL], ARRAY[NULL]::bigint[], 20)
        """
      if cancelFirst {
        #expect(try await fixture.cancel(id) == "CANCELLING")
        let rows = try await fixture.pool.query(mark, [.int64(task)])
        #expect(try rows.filter { try $0.text("row_kind") == "stage" }.map { try $0.text("state") } == ["CANCELLED"])
      } else {
        let late = try await fixture.pool.transaction { transaction in
          try await transaction.query(mark, [.int64(task)])
          // Waits for the row until this transaction ends.
          let late = Task { try await fixture.cancel(id) }
          try await fixture.eventually(
            "true",
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%cancel_operation%')"
          )
          try await transaction.query(
            "SELECT coremachine.end_operation($1, 'RUNNING', 'SUCCEEDED', NULL)", [.int64(id)])
          return late
        }
        #expect(try await late.value == "SUCCEEDED")
      }
    }
    await registering.stop()
  }
}
