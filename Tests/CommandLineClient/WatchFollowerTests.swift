@testable import CommandLineClient
import FramedRPC
import ProtobufFacade
import Synchronization
import TerraneMessages
import Testing

@Suite("Following a dataset over restarts of the server")
struct WatchFollowerTests {
  /// What the server does on each connection, in turn.
  enum Turn {
    case events([WatchFollower.Event], then: (any Error)?)
  }

  struct Outcome {
    var opened: [WatchPosition?] = []
    var received: [UInt64] = []
    var notices: [WatchFollower.Notice] = []
    var slept: [Duration] = []
    var error: (any Error)?
  }

  /// Plays `turns`; after the last one, its error repeats for ever.
  func play(_ turns: [Turn], from: WatchPosition? = nil, connected: Bool = true, patience: Duration = .seconds(60))
    async
    -> Outcome
  {
    let clock = SkippingClock()
    var follower = WatchFollower(patience: patience)
    follower.clock = clock
    follower.jitter = { 0.5 }
    var outcome = Outcome()
    do {
      try await follower.run(
        from: from, connected: connected,
        open: { position, receive in
          outcome.opened.append(position)
          guard case .events(let events, let error) = turns[min(outcome.opened.count, turns.count) - 1] else { return }
          for event in events { try receive(event) }
          if let error { throw error }
        },
        receive: { outcome.received.append($0.seq) }, notice: { outcome.notices.append($0) })
    } catch { outcome.error = error }
    outcome.slept = clock.slept
    return outcome
  }

  let away = RPCError(.unavailable, "The connection was lost.")

  @Test("A watch that ends is over")
  func plain() async {
    let outcome = await play([.events([event(3), event(5)], then: nil)])
    #expect(outcome.received == [3, 5] && outcome.error == nil && outcome.notices.isEmpty)
    #expect(outcome.opened == [nil])
  }

  @Test("After a restart it goes on from the highest safe_seq and prints nothing twice")
  func resumes() async {
    let outcome = await play([
      .events([event(3, safe: 2), event(5, safe: 4), event(6, nil)], then: away),
      .events([event(5), event(8, safe: 8), event(8)], then: nil),
    ])
    #expect(outcome.opened == [nil, WatchPosition(epoch: 5, seq: 6)])
    #expect(outcome.received == [3, 5, 8])
    #expect(outcome.notices == [.lost(reason: away.message, patience: .seconds(60)), .resumed])
  }

  @Test("Another epoch begins anew")
  func epochs() async {
    let outcome = await play([
      .events([event(90)], then: away), .events([event(4, epoch: 6, snapshot: true)], then: away),
      .events([], then: nil),
    ])
    #expect(outcome.received == [90, 4])
    #expect(outcome.opened.last == WatchPosition(epoch: 6, seq: 4))
  }

  @Test("It waits longer each time, and no longer than its patience")
  func patience() async {
    let dead = await play([.events([event(1)], then: away), .events([], then: away)], patience: .seconds(10))
    #expect(dead.slept.prefix(3) == [.milliseconds(200), .milliseconds(320), .milliseconds(512)])
    #expect(dead.slept.reduce(.zero, +) == .seconds(10))
    #expect((dead.error as? RPCError)?.code == .unavailable)
    #expect(dead.notices.count == 1)
  }

  @Test("A server that comes back only to fall over again is not hammered")
  func flapping() async {
    let turn = Turn.events([event(1)], then: away)
    let outcome = await play(Array(repeating: turn, count: 12) + [.events([], then: nil)])
    #expect(outcome.slept.count == 12 && outcome.slept.last == .seconds(5))
    #expect(outcome.received == [1])
  }

  @Test("The server's own delay is kept")
  func retryAfter() async {
    let drained = RPCError(.unavailable, "draining", retryAfter: .seconds(3))
    let outcome = await play([.events([event(1)], then: drained), .events([], then: nil)])
    #expect(outcome.slept == [.seconds(3)])
  }

  @Test("A server that was never there is not waited for, and errors of the request end the watch")
  func fatal() async {
    let never = await play([.events([], then: RuntimeError(.connect, "refused"))], connected: false)
    #expect(never.opened.count == 1 && never.error is RuntimeError)
    let gone = await play([.events([event(1)], then: RPCError(.notFound, "no such dataset"))])
    #expect(gone.opened.count == 1 && (gone.error as? RPCError)?.code == .notFound)
  }

  @Test("A position given is where it begins")
  func after() async {
    let outcome = await play([.events([], then: nil)], from: WatchPosition(epoch: 5, seq: 7))
    #expect(outcome.opened == [WatchPosition(epoch: 5, seq: 7)] && outcome.received.isEmpty)
  }

  @Test("The JSON of an event is what --after takes")
  func json() throws {
    let text = event(9, ended(.ready), safe: 8, epoch: .max, snapshot: true).json.text
    #expect(text.hasPrefix(#"{"seq":9,"epoch":"18446744073709551615","safe_seq":8,"snapshot":true,"status":{"#))
    #expect(text.contains(#""status":"ready""#))
    #expect(event(9).json["safe_seq"] == .unsigned(9))
  }
}

/// Sleeps take no time and are noted.
final class SkippingClock: Clock {
  private let naps = Mutex<[Duration]>([])
  let now = ContinuousClock.now
  var slept: [Duration] { naps.withLock { $0 } }
  var minimumResolution: Duration { .zero }

  struct Enough: Error {}

  func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
    let count = naps.withLock { naps in
      naps.append(deadline - now)
      return naps.count
    }
    if count > 1_000 { throw Enough() }
  }
}
