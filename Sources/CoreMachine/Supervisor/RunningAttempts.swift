internal import Synchronization

/// The attempts this engine runs, by task.
final class RunningAttempts: Sendable {
  private struct State {
    var attempts: [Int64: Attempt] = [:]
    var freeSlots: [Int]
    var emptied: [CheckedContinuation<Void, Never>] = []
  }
  private let state: Mutex<State>

  init(slots: Int) { state = Mutex(State(freeSlots: Array((0..<slots).reversed()))) }

  var all: [Attempt] { state.withLock { Array($0.attempts.values) } }
  var count: Int { state.withLock { $0.attempts.count } }
  subscript(task: Int64) -> Attempt? { state.withLock { $0.attempts[task] } }

  /// Takes all free slots; those that get no task are given back.
  func takeFreeSlots() -> [Int] {
    state.withLock { state in
      defer { state.freeSlots = [] }
      return state.freeSlots
    }
  }
  func giveBack(slots: some Sequence<Int>) { state.withLock { $0.freeSlots.append(contentsOf: slots) } }

  func add(_ attempt: Attempt) { state.withLock { $0.attempts[attempt.task.id] = attempt } }

  func remove(_ attempt: Attempt) {
    let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      if state.attempts[attempt.task.id] === attempt { state.attempts[attempt.task.id] = nil }
      state.freeSlots.append(attempt.task.slot)
      guard state.attempts.isEmpty else { return [] }
      defer { state.emptied = [] }
      return state.emptied
    }
    for continuation in waiting { continuation.resume() }
  }

  /// Returns once nothing runs.
  func waitUntilEmpty() async {
    await withCheckedContinuation { continuation in
      let empty = state.withLock { state in
        if !state.attempts.isEmpty { state.emptied.append(continuation) }
        return state.attempts.isEmpty
      }
      if empty { continuation.resume() }
    }
  }
}
