internal import Synchronization

/// Bytes of messages that all connections of a server hold: announced requests, and responses that wait. Over the limit new
/// calls are refused; what there is goes on. Touched from every event loop.
package final class ByteBudget: Sendable {
  package let limit: Int
  private let held = Atomic(0)

  package init(limit: Int) { self.limit = limit }

  package var bytes: Int { held.load(ordering: .relaxed) }
  package var isSpent: Bool { bytes >= limit }

  func change(_ bytes: Int) { held.add(bytes, ordering: .relaxed) }
}
