/// What the peer still lets us send on a stream.
package struct SendWindow: Sendable, Hashable {
  /// Bytes we may send now.
  package private(set) var available: Int64
  /// The window's whole size: what "half free" is half of. 0 until the first CREDIT when the call set 0.
  package private(set) var size: Int64

  package init(_ initial: Int) {
    available = Int64(initial)
    size = Int64(initial)
  }

  /// A CREDIT frame came. False: the window would pass 2^31 − 1.
  package mutating func add(_ bytes: UInt32) -> Bool {
    guard available + Int64(bytes) <= Limits.maxWindow else { return false }
    available += Int64(bytes)
    if size == 0 { size = Int64(bytes) }
    return true
  }

  /// The peer's HELLO allows more than the floor we began with.
  package mutating func widen(by bytes: Int64) -> Bool {
    guard available + bytes <= Limits.maxWindow else { return false }
    available += bytes
    size += bytes
    return true
  }

  @inline(__always)
  package mutating func take(_ bytes: Int) {
    assert(Int64(bytes) <= available)
    available -= Int64(bytes)
  }

  /// Whether a whole message may be begun: credit covers it, or more than half the window is free. The receiver grants
  /// only when it owes half, so waiting for more could wait for ever.
  package func mayBegin(_ bytes: Int) -> Bool {
    Int64(bytes) <= available || (available > 0 && available * 2 > size)
  }
}

/// What we let the peer send on a stream, and what we will grant next.
package struct ReceiveWindow: Sendable, Hashable {
  package let size: Int64
  /// What the peer may still send.
  package private(set) var granted: Int64
  /// What the next CREDIT will grant.
  package private(set) var owed: Int64 = 0

  package init(_ size: Int) {
    self.size = Int64(size)
    granted = Int64(size)
  }

  /// Body bytes came. False: more than was granted.
  @inline(__always)
  package mutating func receive(_ bytes: Int) -> Bool {
    granted -= Int64(bytes)
    return granted >= 0
  }

  /// The application took these bytes, or they belong to a message nobody waits in front of. Returns the CREDIT to
  /// send now: all that is owed as soon as that is half the window, else 0.
  package mutating func owe(_ bytes: Int) -> UInt32 {
    owed += Int64(bytes)
    guard owed > 0, owed * 2 >= size else { return 0 }
    let credit = owed
    owed = 0
    granted += credit
    return UInt32(clamping: credit)
  }
}

/// Which bytes of a stream the receiver owes, where messages wait for the application: an incomplete message is owed as
/// it arrives, but only while no complete one waits before it, and never twice.
package struct MessageCredit: Sendable, Hashable {
  /// Complete messages the application has not taken: their bytes not owed yet, oldest first.
  private var waiting: [Int] = []
  private var head = 0
  /// Of the incomplete message: bytes that came, and of these not owed yet.
  private var unowed = 0

  package init() {}

  package var waitingMessages: Int { waiting.count - head }

  /// Bytes of the message in progress came; returns the bytes now owed.
  package mutating func arrived(_ bytes: Int, completes: Bool) -> Int {
    let ahead = waitingMessages > 0
    unowed += bytes
    if completes {
      // A message that came whole, or behind another, is owed when it is taken; of one that was owed as it came, only
      // what is left.
      waiting.append(unowed)
      unowed = 0
      return 0
    }
    guard !ahead else { return 0 }
    defer { unowed = 0 }
    return unowed
  }

  /// The application took the oldest complete message; returns the bytes now owed.
  package mutating func taken() -> Int {
    guard head < waiting.count else { return 0 }
    var owed = waiting[head]
    head += 1
    if head == waiting.count {
      waiting.removeAll(keepingCapacity: true)
      head = 0
      owed += unowed
      unowed = 0
    } else if head > 64, head * 2 > waiting.count {
      waiting.removeFirst(head)
      head = 0
    }
    return owed
  }
}
