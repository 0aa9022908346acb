import CoreMachine
import CoreMachineTesting
import PostgreSQL
import Testing

/// Operations from beginning to end, on a real database.
@Suite struct ChainTests {
  @Test func aChainRunsItsJobsInOrderAndPublishesOnce() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(subject: 7, kind: "probe,load,verify")
      #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
      #expect(
        try await fixture.text(
          "SELECT string_agg(job_type || ':' || state, ',' ORDER BY step) FROM coremachine.jobs")
          == "probe:SUCCEEDED,load:SUCCEEDED,verify:SUCCEEDED")
      #expect(try await fixture.text("SELECT count(*) FROM public.published WHERE subject = 7") == "1")
      #expect(
        try await fixture.text("SELECT string_agg(from_state || '>' || to_state, ',') FROM public.moves")
          == "QUEUED>RUNNING")
      #expect(try await fixture.text("SELECT string_agg(step::text, ',' ORDER BY step) FROM public.steps") == "2,3")
      #expect(try await fixture.text("SELECT plan->>'chain' FROM coremachine.operations") == "probe,load,verify")
      #expect(try await fixture.text("SELECT count(*) FROM coremachine.leases") == "0")
    }
  }

  @Test func aStageGetsAsManyTasksAsItsParameterSays() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "probe,count,verify", parameters: #"{"n":17}"#)
      #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
      #expect(
        try await fixture.text(
          "SELECT string_agg(name || ':' || task_count || ':' || remaining, ',' ORDER BY stage_id) FROM coremachine.stages"
        )
          == "run:1:0,many:17:0,sum:1:0,run:1:0")
      // The fan-in was given every result.
      #expect(
        try await fixture.text("SELECT (results[1])->>'inputs' FROM coremachine.jobs WHERE job_type = 'count'") == "17")
    }
  }

  @Test func stagesFanOutFromResultsAndMatchThem() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "each,verify", parameters: #"{"items":[1,2,3,4,5]}"#)
      #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
      #expect(
        try await fixture.text(
          """
          SELECT string_agg(name || ':' || task_count, ',' ORDER BY s.ordinal) FROM coremachine.stages s
          JOIN coremachine.jobs j USING (job_id) WHERE j.job_type = 'each'
          """) == "list:1,elements:5,again:5,all:1")
      #expect(
        try await fixture.text(
          "SELECT string_agg(parameters->'input'->>'item', ',' ORDER BY ordinal) FROM coremachine.tasks WHERE stage_id = 2"
        )
          == "1,2,3,4,5")
    }
  }

  @Test func aStageWithoutTasksIsComplete() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "each,verify", parameters: #"{"items":[]}"#)
      #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
      #expect(
        try await fixture.text(
          "SELECT string_agg(name || ':' || task_count || ':' || state, ',' ORDER BY stage_id) FROM coremachine.stages")
          == "list:1:SUCCEEDED,elements:0:SUCCEEDED,again:0:SUCCEEDED,all:1:SUCCEEDED,run:1:SUCCEEDED")
    }
  }

  @Test func aStageThatNeedsInputAndGetsNoneFails() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "picky,verify", parameters: #"{"items":[]}"#)
      #expect(try await fixture.reaches("FAILED", id) == "FAILED")
      #expect(try await fixture.text("SELECT problem->>'reason' FROM coremachine.operations") == "NO_INPUT")
      #expect(try await fixture.text("SELECT reason FROM public.moves WHERE to_state = 'FAILED'") == "NO_INPUT")
    }
  }

  @Test func aPermanentProblemFailsTheOperationAtOnce() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,load,verify", parameters: #"{"script":"fail","on":"load"}"#)
      #expect(try await fixture.reaches("FAILED", id) == "FAILED")
      #expect(try await fixture.text("SELECT problem->>'reason' FROM coremachine.operations") == "NO_GOOD")
      #expect(try await fixture.text("SELECT max(attempt) FROM coremachine.tasks") == "1")
      #expect(try await fixture.text("SELECT count(*) FROM public.published") == "0")
    }
  }

  @Test func siblingsOfATaskThatFailedForGoodAreStopped() async throws {
    try await withEngine(slots: 3) { fixture, _ in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,count,verify", parameters: #"{"n":20,"script":"fail_one","on":"many"}"#)
      #expect(try await fixture.reaches("FAILED", id) == "FAILED")
      #expect(
        try await fixture.text(
          """
          SELECT string_agg(state || ':' || n, ',' ORDER BY state) FROM (
            SELECT state, count(*) AS n FROM coremachine.tasks WHERE handler = 'count/1' GROUP BY state) s
          """) == "CANCELLED:19,FAILED:1")
      #expect(try await fixture.text("SELECT remaining FROM coremachine.stages WHERE name = 'many'") == "0")
    }
  }

  @Test func aTransientProblemIsTriedAgainLater() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,verify", parameters: #"{"script":"fail_first","on":"probe"}"#)
      #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
      #expect(
        try await fixture.text("SELECT attempt || ':' || failures FROM coremachine.tasks WHERE handler = 'probe/1'")
          == "2:1")
      #expect(
        try await fixture.text(
          "SELECT string_agg(to_state, ',' ORDER BY event_id) FROM coremachine.events WHERE resource = 'task' AND resource_id = 1"
        )
          == "QUEUED,RUNNING,WAITING,QUEUED,RUNNING,SUCCEEDED")
    }
  }

  @Test func aProblemThatStaysTransientFailsAfterItsTries() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,verify", parameters: #"{"script":"fail_always","on":"probe"}"#)
      #expect(try await fixture.reaches("FAILED", id) == "FAILED")
      #expect(try await fixture.text("SELECT attempt FROM coremachine.tasks") == "3")
    }
  }

  @Test func theDelegateMayEndTheChain() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "probe,refuse")
      #expect(try await fixture.reaches("FAILED", id) == "FAILED")
      #expect(try await fixture.text("SELECT problem->>'reason' FROM coremachine.operations") == "REFUSED")
    }
  }

  /// An effect that cannot be written fails its own operation, not those of its batch.
  @Test func aBrokenEffectFailsItsOperationAlone() async throws {
    try await withEngine(slots: 8) { fixture, _ in
      var good: [Int64] = []
      for subject in 1...6 { good.append(try await fixture.begin(subject: Int64(subject), kind: "probe,verify")) }
      let bad = try await fixture.begin(subject: 100, kind: "probe,broken")
      for id in good { #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED") }
      #expect(try await fixture.reaches("FAILED", bad) == "FAILED")
    }
  }

  /// What only some job types may do: `probe` does not publish.
  @Test func onlyAPublishingJobPublishes() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "probe")
      #expect(try await fixture.reaches("FAILED", id) == "FAILED")
      #expect(try await fixture.text("SELECT count(*) FROM public.published") == "0")
    }
  }

  @Test func aSubjectHasOneActiveOperation() async throws {
    try await withEngine { fixture, _ in
      let first = try await fixture.begin(subject: 1, kind: "probe,verify", parameters: #"{"script":"hang"}"#)
      await #expect(throws: PostgresError.self) { try await fixture.begin(subject: 1, kind: "probe,verify") }
      try await fixture.cancel(first)
      #expect(try await fixture.reaches("CANCELLED", first) == "CANCELLED")
      let second = try await fixture.begin(subject: 1, kind: "probe,verify")
      #expect(try await fixture.reaches("SUCCEEDED", second) == "SUCCEEDED")
    }
  }

  @Test func aRetryTakesFinishedStepsOver() async throws {
    try await withEngine { fixture, _ in
      let failed = try await fixture.begin(
        subject: 1, kind: "probe,load,verify", parameters: #"{"script":"fail","on":"verify"}"#)
      #expect(try await fixture.reaches("FAILED", failed) == "FAILED")
      let retry = try await fixture.begin(subject: 1, kind: "probe,load,verify", retryOf: failed, firstStep: 3)
      #expect(try await fixture.reaches("SUCCEEDED", retry) == "SUCCEEDED")
      #expect(
        try await fixture.text(
          """
          SELECT string_agg(concat(job_type, ':', carried_from), ',' ORDER BY step) FROM coremachine.jobs
          WHERE operation_id = $1
          """, [.int64(retry)]) == "probe:\(failed),load:\(failed),verify:")
    }
  }

  /// 200 tasks of one stage on two engines: the counter ends at 0 and the next stage is planned once.
  @Test func countersAreRightWithTwoEnginesAtOnce() async throws {
    try await withEngine(slots: 40) { fixture, _ in
      let other = try await fixture.engine(slots: 40)
      let ids = [
        try await fixture.begin(subject: 1, kind: "probe,count,verify", parameters: #"{"n":200}"#),
        try await fixture.begin(subject: 2, kind: "probe,count,verify", parameters: #"{"n":200}"#),
      ]
      for id in ids { #expect(try await fixture.reaches("SUCCEEDED", id, within: .seconds(60)) == "SUCCEEDED") }
      #expect(
        try await fixture.text(
          "SELECT string_agg(task_count || ':' || remaining, ',') FROM coremachine.stages WHERE name IN ('many', 'sum')"
        )
        .map { Set($0.split(separator: ",").map(String.init)) } == ["200:0", "1:0"])
      #expect(try await fixture.text("SELECT count(*) FROM coremachine.stages WHERE name = 'sum'") == "2")
      #expect(
        try await fixture.text(
          "SELECT count(DISTINCT actor) FROM coremachine.events WHERE resource = 'task' AND to_state = 'RUNNING'")
          == "2")
      await other.stop()
    }
  }
}
