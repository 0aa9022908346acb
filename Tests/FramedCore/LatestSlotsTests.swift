import FramedCore
import Testing

@Suite struct LatestSlotsTests {
  private func values(_ slots: LatestSlots) -> [LatestSlots.Value] {
    var values: [LatestSlots.Value] = []
    while case .value(let value)? = slots.next() { values.append(value) }
    return values
  }

  /// Keys A (seq 7) and B (seq 9) are pending; B goes first: DATA(seq 9, safe_seq 6); then A: DATA(seq 7, safe_seq 9).
  @Test func workedExample() {
    let slots = LatestSlots()
    _ = slots.offer(key: "B", seq: 9, bytes: [], removed: false)
    _ = slots.offer(key: "A", seq: 7, bytes: [], removed: false)
    let sent = values(slots)
    #expect(sent.map(\.seq) == [9, 7])
    #expect(sent.map(\.safeSeq) == [6, 9])
  }

  @Test func overwrittenValueKeepsItsPlaceAndHoldsBackWhatIsSafe() {
    let slots = LatestSlots()
    _ = slots.offer(key: "A", seq: 7, bytes: [1], removed: false)
    _ = slots.offer(key: "B", seq: 8, bytes: [2], removed: false)
    _ = slots.offer(key: "A", seq: 12, bytes: [3], removed: false)
    #expect(slots.safeSeq == 6)
    let sent = values(slots)
    #expect(sent.map(\.bytes) == [[3], [2]])
    #expect(sent.map(\.conflated) == [true, false])
    #expect(sent.map(\.safeSeq) == [7, 12])
  }

  @Test func olderNeverReplacesNewer() {
    let slots = LatestSlots()
    _ = slots.offer(key: "A", seq: 9, bytes: [9], removed: false)
    _ = slots.offer(key: "A", seq: 8, bytes: [8], removed: false)
    #expect(values(slots).map(\.seq) == [9])
  }

  /// Whatever is offered and sent in whatever interleaving: a client that resumes at the safe_seq it saw last misses
  /// no change.
  @Test func resumingAtSafeSeqLosesNothing() {
    for _ in 0..<300 {
      let slots = LatestSlots()
      var newest: [String: UInt64] = [:]
      var seen: [String: UInt64] = [:]
      var safe: UInt64 = 0
      for seq in 1...UInt64(Int.random(in: 1...60)) {
        let key = "k\(Int.random(in: 0..<6))"
        newest[key] = seq
        _ = slots.offer(key: key, seq: seq, bytes: [], removed: false)
        for _ in 0..<Int.random(in: 0..<3) {
          guard case .value(let value)? = slots.next() else { break }
          let owner = newest.first { $0.value == value.seq }?.key
          if let owner { seen[owner] = value.seq }
          safe = max(safe, value.safeSeq)
        }
      }
      // Resume: every key changed since `safe` is sent again.
      for (key, seq) in newest where seq > safe { seen[key] = seq }
      #expect(seen == newest)
    }
  }

  @Test func nothingIsSafeInsideASnapshot() {
    let slots = LatestSlots(after: 100)
    slots.beginSnapshot()
    _ = slots.offer(key: "z", seq: 50, bytes: [], removed: false)
    _ = slots.offer(key: "a", seq: 150, bytes: [], removed: false)
    slots.bookmark(160)
    guard case .value(let first)? = slots.next(), case .value(let second)? = slots.next() else {
      Issue.record("two values wait")
      return
    }
    #expect(first.beginsSnapshot)
    #expect(!second.beginsSnapshot)
    #expect([first.safeSeq, second.safeSeq] == [0, 0])
    #expect(slots.next() == .bookmark(160, beginsSnapshot: false))
    #expect(slots.safeSeq == 160)
  }

  @Test func anEmptySnapshotIsItsBookmark() {
    let slots = LatestSlots()
    slots.beginSnapshot()
    slots.bookmark(7)
    #expect(slots.next() == .bookmark(7, beginsSnapshot: true))
  }

  @Test func tooManyPendingKeysCollapse() {
    let slots = LatestSlots(limit: 3)
    for i in 1...3 {
      let fits = slots.offer(key: "\(i)", seq: UInt64(i), bytes: [], removed: false)
      #expect(fits)
    }
    let over = slots.offer(key: "4", seq: 4, bytes: [], removed: false)
    #expect(!over)
    #expect(slots.isEmpty)
    #expect(slots.safeSeq == 0)
  }

  @Test func memoryFollowsKeysAndNotUpdates() {
    let slots = LatestSlots()
    for i in 1...100_000 { _ = slots.offer(key: "k\(i % 7)", seq: UInt64(i), bytes: [], removed: false) }
    #expect(slots.pendingKeys == 7)
    #expect(values(slots).map(\.seq).max() == 100_000)
  }
}
