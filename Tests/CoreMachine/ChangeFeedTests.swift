import CoreMachineTesting
import Logging
import PostgreSQL
import Synchronization
import Testing

@testable import CoreMachine

@Suite struct ChangeFeedTests {
  /// Two transactions take numbers at once: the one that has the smaller number commits first, always. With a sequence the
  /// second could commit first, and a reader that had passed its number would never see the first.
  @Test func numbersBecomeVisibleInTheirOrder() async throws {
    let fixture = try await freshFixture()
    try await fixture.pool.transaction { first in
      try await first.query("SELECT coremachine.touch(ARRAY[1::bigint])")
      let second = Task {
        try await fixture.pool.query("SELECT coremachine.touch(ARRAY[2::bigint]) AS n").oneRow().int64("n")
      }
      // The second waits for the first to commit.
      let waits = try await fixture.eventually(
        "true", "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%touch%')")
      #expect(waits == "true")
      #expect(try await fixture.text("SELECT count(*) FROM coremachine.subjects") == "0")
      _ = try await first.commit(after: ["SELECT 1"])
      #expect(try await second.value == 2)
    }
  }

  /// A reader that asks again and again while many write never misses a number.
  @Test func aReaderMissesNothing() async throws {
    try await withEngine(slots: 0) { fixture, engine in
      let stream = engine.machine.changes.changes()
      let writers = 4
      let rounds = 60
      let reader = Task {
        var last: [Int64: Int64] = [:]
        var seqs: [Int64] = []
        for await batch in stream {
          for change in batch {
            last[change.subject] = change.seq
            seqs.append(change.seq)
          }
          if seqs.last == Int64(writers * rounds * 2) { break }
        }
        return (last, seqs)
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<writers {
          group.addTask {
            for round in 0..<rounds {
              // Two subjects a transaction, one of them shared by all writers.
              try await fixture.pool.query(
                "SELECT coremachine.touch(ARRAY[$1::bigint, 99])", [.int64(Int64(writer * 1000 + round))])
            }
          }
        }
        try await group.waitForAll()
      }
      let (last, seqs) = await reader.value
      #expect(seqs == seqs.sorted())
      #expect(last.count == writers * rounds + 1)
      let stored = try await fixture.pool.query("SELECT subject, status_seq FROM coremachine.subjects")
      for row in stored { #expect(last[try row.int64("subject")] == (try row.int64("status_seq"))) }
    }
  }

  private final class Heard: Sendable {
    let all = Mutex<(told: [Int64], read: [Int64], statements: Int)>(([], [], 0))
  }

  /// A change that its notification tells is not read; one that is not told, not understood or told out of turn is.
  @Test(.timeLimit(.minutes(1))) func whatIsToldIsNotRead() async throws {
    let fixture = try await freshFixture()
    let feed = ChangeFeed(
      connection: fixture.pool, listener: NotificationListener(fixture.settings, thread: fixture.thread),
      poll: .seconds(3_600), logger: Logger(label: "test-feed"))
    let heard = Heard()
    let following = Task {
      await feed.follow(
        reading: { after in
          heard.all.withLock { $0.statements += 1 }
          return ChangeFeed.subjects(after: after)
        },
        take: { rows, _ in
          let changes = try ChangeFeed.changes(rows)
          heard.all.withLock { $0.read += changes.map(\.seq) }
          return changes.last.map { ChangeFeed.Seen(upTo: $0.seq, isAll: true) }
        },
        telling: ChangeFeed.Telling(channel: "told") { seq, text in
          guard text == "clear words" else { return false }
          heard.all.withLock { $0.told.append(seq) }
          return true
        })
    }
    func change(_ subject: Int64, told: String?) async throws {
      try await fixture.pool.query(
        """
        WITH n AS (SELECT coremachine.touch(ARRAY[$1::bigint]) AS n)
        SELECT CASE WHEN $2::text IS NOT NULL THEN pg_notify('told', n || ' ' || $2) END FROM n
        """, [.int64(subject), told.map { .text($0) } ?? .null])
    }
    func reached(_ seq: Int64) async throws {
      while heard.all.withLock({ !$0.told.contains(seq) && !$0.read.contains(seq) }) {
        try await Task.sleep(for: .milliseconds(2))
      }
    }
    while heard.all.withLock({ $0.statements }) == 0 { try await Task.sleep(for: .milliseconds(2)) }
    // LISTEN may come too late for it.
    try await change(1, told: nil)
    try await reached(1)
    for seq in 2...5 {
      try await change(Int64(seq), told: "clear words")
      try await reached(Int64(seq))
    }
    try await change(6, told: nil)
    try await reached(6)
    try await change(7, told: "mumbling")
    try await reached(7)
    try await change(8, told: "clear words")
    try await reached(8)
    // A change that nobody made is not believed.
    try await fixture.pool.query("SELECT pg_notify('told', '12 clear words'), pg_notify('told', 'clear words')")
    try await change(9, told: "clear words")
    try await reached(9)
    following.cancel()
    let all = heard.all.withLock { $0 }
    #expect(Array(all.told.suffix(6)) == [2, 3, 4, 5, 8, 9])
    #expect(Set(all.read).isSuperset(of: [1, 6, 7]))
    #expect(!all.told.contains(12))
    fixture.pool.close()
  }

  @Test func anOperationTouchesItsSubjectWheneverItMoves() async throws {
    try await withEngine { fixture, engine in
      let position = try await engine.machine.changes.current()
      let id = try await fixture.begin(subject: 5, kind: "probe,load,verify")
      #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
      let after = try await engine.machine.changes.current()
      #expect(after.epoch == position.epoch)
      // Begun, RUNNING, two steps planned, SUCCEEDED.
      #expect(after.seq - position.seq == 5)
      #expect(
        try await fixture.text("SELECT status_seq FROM coremachine.subjects WHERE subject = 5") == "\(after.seq)")
    }
  }

  @Test func aCopyOfTheDatabaseIsAnotherEpoch() async throws {
    try await withEngine(slots: 0) { fixture, engine in
      let before = try await engine.machine.changes.current()
      try await fixture.pool.query("UPDATE coremachine.change_counter SET generation = gen_random_uuid()")
      #expect(try await engine.machine.changes.current().epoch != before.epoch)
    }
  }
}
