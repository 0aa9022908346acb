/// What a LATEST stream has to send: one slot per key that is pending, in the order the keys became so.
///
/// Knows nothing of frames or credit: the connection asks for the next message when it may begin one.
package final class LatestSlots {
  package struct Value: Sendable, Hashable {
    package var bytes: [UInt8]
    package var seq: UInt64
    package var removed: Bool
    /// Older values of the key gave way to this one.
    package var conflated: Bool
    /// What to state as safe_seq when the value leaves.
    package var safeSeq: UInt64
    /// The oldest change of the key that it stands for: until it has left whole, nothing from there on is safe.
    package var oldest: UInt64
    /// The first value of a snapshot.
    package var beginsSnapshot: Bool
  }

  private struct Slot: Sendable {
    var bytes: [UInt8]
    var seq: UInt64
    /// The oldest change of the key that has not left: nothing from it on is safe yet.
    var oldest: UInt64
    var removed: Bool
    var conflated: Bool
  }

  private enum Entry: Sendable, Hashable {
    case key(String)
    /// Everything before it is the snapshot; up to here is safe once it has left.
    case snapshotEnd(UInt64)
  }

  private var slots: [String: Slot] = [:]
  private var order: [Entry] = []
  private var orderHead = 0
  /// Running minimum of the pending keys' oldest changes, as (position in the order, oldest): the front is the least.
  /// Keys leave from the front only and `oldest` never changes while pending, so a monotonic queue is enough.
  private var minima: [(position: Int, oldest: UInt64)] = []
  private var minimaHead = 0
  /// Position of `order[0]` since the beginning.
  private var orderBase = 0

  /// Everything up to here has been offered.
  package private(set) var offered: UInt64
  /// What was safe before a snapshot began; nothing newer is until it has ended.
  private var base: UInt64
  private var inSnapshot = false
  private var snapshotUnannounced = false
  private let limit: Int

  /// `after`: the seq a client resumed at, 0 for a fresh watch.
  package init(after: UInt64 = 0, limit: Int = Limits.pendingKeys) {
    offered = after
    base = after
    self.limit = limit
  }

  package var pendingKeys: Int { slots.count }
  package var isEmpty: Bool { orderHead == order.count }
  /// Between a snapshot's first value and the bookmark that ends it, on the wire.
  package var isInSnapshot: Bool { inSnapshot }

  /// From here the client may resume without loss, given what has left so far.
  package var safeSeq: UInt64 {
    if inSnapshot { return base }
    guard minimaHead < minima.count else { return offered }
    let least = minima[minimaHead].oldest
    return least == 0 ? 0 : min(least - 1, offered)
  }

  /// The full state follows; what was pending is part of it and need not leave.
  package func beginSnapshot() {
    dropPending()
    base = 0
    offered = 0
    inSnapshot = true
    snapshotUnannounced = true
  }

  /// False: too many keys are pending. They were dropped, and only a snapshot can go on from here.
  package func offer(key: String, seq: UInt64, bytes: [UInt8], removed: Bool) -> Bool {
    if slots[key] != nil {
      // Nothing older may take the place of something newer.
      if let slot = slots[key], seq >= slot.seq {
        slots[key] = Slot(bytes: bytes, seq: seq, oldest: slot.oldest, removed: removed, conflated: true)
      }
    } else {
      // A snapshot is as large as the state: collapsing it into another would never end.
      if slots.count >= limit, !inSnapshot {
        base = safeSeq
        dropPending()
        inSnapshot = true
        return false
      }
      slots[key] = Slot(bytes: bytes, seq: seq, oldest: seq, removed: removed, conflated: false)
      push(.key(key))
      pushMinimum(seq)
    }
    offered = max(offered, seq)
    return true
  }

  /// Everything up to `seq` has been offered. Ends a snapshot once its values have left.
  package func bookmark(_ seq: UInt64) {
    if inSnapshot {
      push(.snapshotEnd(seq))
    } else {
      offered = max(offered, seq)
    }
  }

  /// Size of the value at the front; `nil`: nothing pending, or a bookmark is.
  package var nextSize: Int? {
    guard orderHead < order.count, case .key(let key) = order[orderHead] else { return nil }
    return slots[key]?.bytes.count
  }

  package enum Next: Sendable, Hashable {
    case value(Value)
    /// The snapshot has ended: a bookmark with this safe_seq.
    case bookmark(UInt64, beginsSnapshot: Bool)
  }

  /// Takes what is at the front.
  package func next() -> Next? {
    guard orderHead < order.count else { return nil }
    let entry = order[orderHead]
    let position = orderBase + orderHead
    orderHead += 1
    if minimaHead < minima.count, minima[minimaHead].position == position { minimaHead += 1 }
    compact()
    switch entry {
    case .snapshotEnd(let seq):
      inSnapshot = false
      offered = max(offered, seq)
      defer { snapshotUnannounced = false }
      return .bookmark(safeSeq, beginsSnapshot: snapshotUnannounced)
    case .key(let key):
      // Every key in the order has its slot: both are added and removed together.
      guard let slot = slots.removeValue(forKey: key) else { return nil }
      defer { snapshotUnannounced = false }
      return .value(
        Value(
          bytes: slot.bytes, seq: slot.seq, removed: slot.removed, conflated: slot.conflated, safeSeq: safeSeq,
          oldest: slot.oldest, beginsSnapshot: snapshotUnannounced))
    }
  }

  private func push(_ entry: Entry) { order.append(entry) }

  private func pushMinimum(_ oldest: UInt64) {
    while minima.count > minimaHead, let last = minima.last, last.oldest >= oldest { minima.removeLast() }
    minima.append((orderBase + order.count - 1, oldest))
  }

  private func compact() {
    if orderHead == order.count {
      orderBase += order.count
      order.removeAll(keepingCapacity: order.count <= 16)
      orderHead = 0
    } else if orderHead > 64, orderHead * 2 > order.count {
      order.removeFirst(orderHead)
      orderBase += orderHead
      orderHead = 0
    }
    if minimaHead == minima.count {
      minima.removeAll(keepingCapacity: minima.count <= 16)
      minimaHead = 0
    } else if minimaHead > 64, minimaHead * 2 > minima.count {
      minima.removeFirst(minimaHead)
      minimaHead = 0
    }
  }

  private func dropPending() {
    orderBase += order.count
    slots = [:]
    order = []
    orderHead = 0
    minima = []
    minimaHead = 0
  }
}
