/// The LATEST streams of one connection that show the same value.
///
/// The value is kept once for all of them and framed once; each stream in turn gets a copy with its own id while the
/// connection has room. A newer value takes the place of an older one, for those that have not had it: what 10,000 slow
/// watchers make wait is one value a connection.
package final class LatestGroup {
  package struct Value: Sendable {
    package let key: String
    package let seq: UInt64
    package let bytes: [UInt8]
    package let removed: Bool

    package init(key: String, seq: UInt64, bytes: [UInt8], removed: Bool) {
      self.key = key
      self.seq = seq
      self.bytes = bytes
      self.removed = removed
    }
  }

  /// Called when the last stream has left.
  package var emptied: (() -> Void)?

  /// Held by their connection until they have left: counting references to each with each value would be a third of its cost.
  var streams: [Unmanaged<ServerStream>] = []
  var value: Value?
  /// The value's DATA frame, for stream 0; empty where it is too large for one.
  var frame: [UInt8] = []
  /// The seq of the value before: a stream that was told of less has missed it.
  var before: UInt64 = 0
  /// Who is next; one whose turn came last waits longest.
  var cursor = 0
  /// How many from the cursor on have not been looked at since the value came.
  var remaining = 0
  var isQueued = false
  /// Of streams that were looked at ahead of their turn; means nothing.
  var touched: UInt64 = 0

  package init() {}

  package var count: Int { streams.count }
}
