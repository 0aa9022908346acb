import CoreMachine
import CoreMachineTesting
import PostgreSQL
import Testing

@Suite struct ProgressTests {
  @Test func whatATaskReportsIsStoredWithItsWarnings() async throws {
    try await withEngine { fixture, engine in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,load,verify", parameters: #"{"script":"report","on":"load"}"#)
      #expect(
        try await fixture.eventually(
          "2 load load 5/10 rows half 0.5",
          """
          SELECT concat_ws(' ', step, job_type, phase, done || '/' || total, unit, message, fraction)
          FROM coremachine.progress
          """) == "2 load load 5/10 rows half 0.5")
      #expect(try await fixture.text("SELECT warnings->>'NULL_GEOMETRY' FROM coremachine.progress") == "3")
      #expect(try await fixture.text("SELECT examples->0->>'detail' FROM coremachine.warnings") == "row 7")
      // The subject was touched for it.
      let seq = try await fixture.text("SELECT status_seq FROM coremachine.subjects WHERE subject = 1")
      #expect(seq == "4")
      try await fixture.cancel(id)
      #expect(try await fixture.reaches("CANCELLED", id) == "CANCELLED")
      // Warnings outlive the operation.
      #expect(try await fixture.text("SELECT count FROM coremachine.warnings") == "3")
      _ = engine
    }
  }

  /// Straight to the statement: several tasks of a stage, reports that go back, an attempt that is not current.
  @Test func aStagesProgressIsTheSumOfItsTasksAndNeverGoesBack() async throws {
    try await withEngine { fixture, _ in
      let id = try await fixture.begin(
        subject: 1, kind: "probe,count,verify", parameters: #"{"n":2,"script":"hang","on":"many"}"#)
      try await fixture.eventually(
        "2", "SELECT count(*) FROM coremachine.tasks WHERE handler = 'count/1' AND state = 'RUNNING'")
      let tasks = try await fixture.pool.query(
        "SELECT array_agg(task_id ORDER BY task_id) AS ids FROM coremachine.tasks WHERE handler = 'count/1'"
      ).oneRow().int64Array("ids")
      func report(_ done: [Int64], attempts: [Int32] = [1, 1]) async throws -> String? {
        try await fixture.pool.query(
          """
          SELECT coremachine.write_progress($1::bigint[], $2::int[], ARRAY['p', 'p'], ARRAY['rows', 'rows'], $3::bigint[],
            ARRAY[100, 100]::bigint[], ARRAY['m', 'm'], $4::float8[], ARRAY['[]', '[]'])
          """,
          [
            .int64Array(tasks), .int32Array(attempts), .int64Array(done), .float8Array(done.map { Double($0) / 100 }),
          ])
        return try await fixture.text(
          "SELECT concat_ws(' ', done, total, round(fraction::numeric, 3)::float8) FROM coremachine.progress")
      }
      // The stage is the first of two.
      #expect(try await report([40, 20]) == "60 200 0.15")
      #expect(try await report([10, 10]) == "60 200 0.15")
      #expect(try await report([99, 99], attempts: [7, 7]) == "60 200 0.15")
      #expect(try await report([100, 100]) == "200 200 0.5")
      try await fixture.cancel(id)
      #expect(try await fixture.reaches("CANCELLED", id) == "CANCELLED")
    }
  }
}
