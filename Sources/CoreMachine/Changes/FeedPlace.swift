internal import PostgreSQL
internal import Synchronization

/// How far one reader of the change feed has come, and what is known to be there.
final class FeedPlace: Sendable {
  private struct State {
    var last: Int64?
    var announced: Int64 = 0
    /// Read whatever has been announced: a notification may have been missed.
    var isDue = true
  }
  private let state: Mutex<State>
  /// Rings when there may be something to read.
  let bell = Bell()

  init(_ last: Int64?) { state = Mutex(State(last: last)) }

  /// Everything up to here has been handed out; nil: not known yet where to begin.
  var last: Int64? { state.withLock { $0.last } }

  func see(_ seq: Int64) { state.withLock { $0.last = max($0.last ?? seq, seq) } }

  /// A number that was handed out, or word that some may have been missed.
  func hear(_ notification: Notification) {
    let isNews = state.withLock { state -> Bool in
      guard case .message(let payload, _) = notification, let newest = Int64(payload) else {
        state.isDue = true
        return true
      }
      state.announced = max(state.announced, newest)
      return state.last.map { newest > $0 } ?? true
    }
    if isNews { bell.ring() }
  }

  func isDue(ring: Bool = true) {
    state.withLock { $0.isDue = true }
    if ring { bell.ring() }
  }

  /// Where to read on from, and what is surely there by now; nil: there is nothing to read.
  func reading() -> (after: Int64, announced: Int64)? {
    state.withLock {
      guard let last = $0.last, $0.isDue || $0.announced > last else { return nil }
      $0.isDue = false
      return (last, $0.announced)
    }
  }
}
