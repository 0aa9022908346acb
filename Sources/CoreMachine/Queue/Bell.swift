internal import Synchronization

/// Wakes one waiting loop: rings while nobody waits are kept as one.
final class Bell: Sendable {
  private struct State {
    var rung = false
    var waiter: CheckedContinuation<Void, Never>?
  }
  private let state = Mutex(State())

  func ring() {
    let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard let waiter = state.waiter else {
        state.rung = true
        return nil
      }
      state.waiter = nil
      return waiter
    }
    waiter?.resume()
  }

  /// Waits for a ring, at most `limit`; returns at once when the task is cancelled.
  func wait(upTo limit: Duration) async {
    let timer = Task {
      do { try await Task.sleep(for: limit) } catch { return }
      ring()
    }
    await wait()
    timer.cancel()
  }

  /// Waits for a ring; returns at once when the task is cancelled.
  func wait() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let ready = state.withLock { state in
          if state.rung || Task.isCancelled {
            state.rung = false
            return true
          }
          state.waiter = continuation
          return false
        }
        if ready { continuation.resume() }
      }
    } onCancel: {
      ring()
    }
  }
}

extension Duration {
  var milliseconds: Int64 {
    let parts = components
    return parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000
  }

  /// Give or take a fifth, so that engines which started together do not poll together.
  var jittered: Duration { self * Double.random(in: 0.8...1.2) }

  /// As PostgreSQL reads an interval.
  var interval: String { "\(milliseconds) milliseconds" }
}
