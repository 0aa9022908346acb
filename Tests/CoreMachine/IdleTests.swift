import CoreMachine
import CoreMachineTesting
import PostgreSQL
import Testing

/// What an engine does while there is nothing to do.
@Suite struct IdleTests {
  @Test func nothingFallsDueWhereNothingWaits() async throws {
    let fixture = try await freshFixture()
    #expect(try await fixture.text("SELECT coalesce(coremachine.next_due_ms()::text, 'never')") == "never")
    fixture.pool.close()
  }

  /// An engine hears of work by a notification: between two polls it asks nothing.
  @Test func anIdleEngineRests() async throws {
    try await withEngine {
      // As a server has them.
      let standard = CoreMachineSettings(host: "", scratchRoot: "", slots: [])
      ($0.poll, $0.lease, $0.renewal) = (standard.poll, standard.lease, standard.renewal)
      $0.garbageInterval = standard.garbageInterval
    } _: { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "probe,verify")
      #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
      // A session that has become idle reports what it did up to ten seconds later: such a burst is the past, and passes.
      var rates: [Double] = []
      for _ in 0..<8 where !rates.contains(where: { $0 < 15 }) {
        let before = try await transactions(fixture)
        try await Task.sleep(for: .seconds(4))
        let after = try await transactions(fixture)
        // Claim, cancel and reap look once a poll, which is a second here. By the database's clock: on a busy machine
        // four seconds are many.
        rates.append(Double(after.count - before.count) / (after.seconds - before.seconds))
      }
      #expect(rates.contains { $0 < 15 }, "transactions a second: \(rates)")
    }
  }

  /// Transactions the database has seen, and when.
  private func transactions(_ fixture: EngineFixture) async throws -> (count: Int, seconds: Double) {
    let row = try await fixture.pool.query(
      """
      SELECT xact_commit + xact_rollback AS count, extract(epoch FROM clock_timestamp())::float8 AS seconds
      FROM pg_stat_database WHERE datname = current_database()
      """
    ).oneRow()
    return (Int(try row.int64("count")), try row.double("seconds"))
  }
}
