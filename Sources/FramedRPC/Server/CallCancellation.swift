internal import FramedCore
internal import Synchronization

/// Whether a running call was cancelled, and who wants to know. Touched from any thread.
final class CallCancellation: Sendable {
  private struct State {
    var reason: StatusCode?
    var actions: [@Sendable (StatusCode) -> Void] = []
  }

  private let state = Mutex(State())

  var reason: StatusCode? { state.withLock { $0.reason } }

  func onCancel(_ action: @escaping @Sendable (StatusCode) -> Void) {
    let already = state.withLock { state -> StatusCode? in
      if state.reason == nil { state.actions.append(action) }
      return state.reason
    }
    if let already { action(already) }
  }

  func cancel(_ reason: StatusCode) {
    let actions = state.withLock { state -> [@Sendable (StatusCode) -> Void] in
      guard state.reason == nil else { return [] }
      state.reason = reason
      defer { state.actions = [] }
      return state.actions
    }
    for action in actions { action(reason) }
  }

  /// The call ended by itself: nobody is told anything any more.
  func end() {
    state.withLock { $0.actions = [] }
  }
}
