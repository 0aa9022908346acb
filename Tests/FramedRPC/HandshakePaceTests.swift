import Testing

@testable import FramedRPC

/// Handshakes take turns.
@Suite struct HandshakePaceTests {
  @Test func aBurstThenOneEveryFiveMilliseconds() {
    var pace = HandshakePace()
    let now: UInt64 = 100_000_000_000
    var waits: [UInt64] = []
    for _ in 0..<(HandshakePace.perSecond + 10) {
      if let wait = pace.turn(now) { waits.append(wait) }
    }
    #expect(waits.prefix(HandshakePace.perSecond).allSatisfy { $0 == 0 })
    #expect(waits.suffix(3) == [35_000_000, 40_000_000, 45_000_000])
    // A second later all of it is there again.
    #expect(pace.turn(now + 2_000_000_000) == 0)
  }

  @Test func whatWouldWaitTooLongIsTurnedAway() {
    var pace = HandshakePace()
    let now: UInt64 = 100_000_000_000
    let turns = (0..<2_000).map { _ in pace.turn(now) }
    #expect(turns.last == .some(nil))
    #expect(turns.compactMap { $0 }.max()! <= 4_000_000_000)
    // Those turned away take nobody's turn.
    #expect(pace.turn(now + 10_000_000) != nil)
  }
}
