import CoreMachine
import CoreMachineTesting
import PostgreSQL
import Synchronization
import Testing

/// What an observer is told, held against the book that the database keeps in the very transactions.
@Suite struct ObserverTests {
  /// Keeps what it is told.
  final class Listener: EngineObserver {
    private let events = Mutex<[EngineEvent]>([])
    var all: [EngineEvent] { events.withLock { $0 } }
    func committed(_ events: [EngineEvent]) { self.events.withLock { $0 += events } }

    /// `resource operation from>to`, sorted.
    var moves: [String] { all.map { "\($0.resource.rawValue) \($0.operation) \($0.from)>\($0.to)" }.sorted() }
  }

  /// The committed moves that are the engine's to tell: not what callers did in transactions of their own (begin, cancel),
  /// nor what another line says already.
  private static let book = """
    SELECT string_agg(line, ',' ORDER BY line COLLATE "C") FROM (
      SELECT resource || ' ' || operation_id || ' ' || from_state || '>' || to_state AS line FROM coremachine.events e
      WHERE resource IN ('operation', 'job', 'task')
        AND (resource, to_state) NOT IN (('operation', 'QUEUED'), ('operation', 'CANCELLING'), ('job', 'RUNNING'),
          ('job', 'CANCELLED'))
        AND (resource, from_state, to_state) NOT IN (('operation', 'QUEUED', 'CANCELLED'), ('task', 'NONE', 'QUEUED'),
          ('task', 'WAITING', 'QUEUED'))
        AND NOT (resource = 'job' AND from_state = 'NONE' AND resource_id IN (
          SELECT min(job_id) FROM coremachine.jobs GROUP BY operation_id))) moves
    """

  private static let unfinished = """
    SELECT count(*) FROM coremachine.operations o WHERE ended_at IS NULL
      OR EXISTS (SELECT FROM coremachine.tasks t WHERE t.operation_id = o.operation_id AND t.ended_at IS NULL)
    """

  /// The line comes after the commit: a reader of the database may be quicker.
  private func expectTheBook(_ listener: Listener, _ fixture: EngineFixture) async throws {
    #expect(try await fixture.eventually("0", Self.unfinished) == "0")
    let book = try await fixture.text(Self.book)?.split(separator: ",").map(String.init) ?? []
    let deadline = ContinuousClock.now + .seconds(10)
    while listener.all.count < book.count, .now < deadline { await Task.yield() }
    #expect(listener.moves == book)
    #expect(!book.isEmpty)
    for event in listener.all { #expect(!event.move.isEmpty, "\(event)") }
  }

  private func withListener(_ body: (EngineFixture, Listener) async throws -> Void) async throws {
    let listener = Listener()
    let fixture = try await freshFixture()
    let engine = try await fixture.engine(observer: listener)
    do { try await body(fixture, listener) } catch {
      await engine.stop()
      throw error
    }
    await engine.stop()
    fixture.pool.close()
  }

  @Test func everyCommittedMoveIsToldOnceWhateverBecomesOfOperations() async throws {
    try await withListener { fixture, listener in
      let scripts = ["succeed", "fail", "fail_first", "fail_always"]
      var hanging: [Int64] = []
      for subject in Int64(1)...40 {
        let script = scripts[Int(subject) % scripts.count]
        _ = try await fixture.begin(
          subject: subject, kind: "probe,load,verify", parameters: #"{"script":"\#(script)","on":"load"}"#)
        if subject.isMultiple(of: 10) {
          hanging.append(
            try await fixture.begin(
              subject: 100 + subject, kind: "probe,verify", parameters: #"{"script":"hang","on":"probe"}"#))
        }
      }
      for id in hanging { try await fixture.cancel(id) }
      try await expectTheBook(listener, fixture)
      let failed = try #require(listener.all.first { $0.resource == .operation && $0.to == "FAILED" })
      #expect(failed.move == "fail")
      #expect(failed.reason == "NO_GOOD" || failed.reason == "BUSY")
      #expect(failed.jobType == "load")
      let retried = try #require(listener.all.first { $0.move == "retry" })
      #expect(retried.reason == "BUSY")
      #expect(retried.attempt == 1)
      #expect(retried.duration != nil)
    }
  }

  @Test func aBatchThatIsRolledBackAndRunAgainIsToldOnce() async throws {
    try await withListener { fixture, listener in
      // The effect of "broken" fails: the batch it is in is rolled back, and its rows run one by one.
      for subject in Int64(1)...24 {
        _ = try await fixture.begin(
          subject: subject, kind: subject.isMultiple(of: 6) ? "probe,broken" : "probe,load,verify")
      }
      try await expectTheBook(listener, fixture)
      let published = listener.all.filter { $0.move == "publish" }
      #expect(published.count == 20)
      #expect(Set(published.map(\.subject)).count == 20)
    }
  }

  @Test func aLostLeaseIsToldWithItsReason() async throws {
    let fixture = try await freshFixture()
    let dying = try await fixture.engine()
    _ = try await fixture.begin(
      subject: 1, kind: "probe,verify", parameters: #"{"script":"hang_first","on":"probe"}"#)
    try await fixture.eventually("RUNNING", "SELECT state FROM coremachine.tasks WHERE task_id = 1")
    await dying.cutOff()
    let listener = Listener()
    let heir = try await fixture.engine(observer: listener)
    #expect(try await fixture.eventually("0", Self.unfinished) == "0")
    let lost = try #require(listener.all.first)
    #expect(lost.move == "requeue")
    #expect(lost.reason == "LEASE_LOST")
    #expect([lost.subject, lost.operation] == [1, 1])
    #expect(lost.jobType == "probe")
    await heir.stop()
    await dying.stop()
  }
}
