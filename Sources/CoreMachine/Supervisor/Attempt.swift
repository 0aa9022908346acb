internal import Synchronization
internal import TaskProtocol

/// One attempt this engine runs: what it reported, and why it is to end.
final class Attempt: Sendable {
  /// Why the engine ends an attempt. The first reason holds.
  enum Ending: Sendable {
    /// The lease is gone: whatever it did counts for nothing.
    case lost
    /// Its operation is cancelled, or a sibling failed for good.
    case stopped
    case silent
    case overTime
    /// The engine stops.
    case released
  }

  let task: ClaimedTask
  let stage: StageDefinition
  private let began: ContinuousClock.Instant
  private let deadline: ContinuousClock.Instant
  private let cancelGrace: Duration
  private let state: Mutex<State>

  private struct State {
    var lastReport: ContinuousClock.Instant
    var child: (any RunningTask)?
    var ending: Ending?
    /// The engine prepares, or adopts and completes, until then.
    var settleUntil: ContinuousClock.Instant?
    var outcome: TaskReport?
    var progress = TaskProgress(phase: "", unit: "", done: 0, total: nil)
    var fraction = 0.0
    var warnings = KnownWarnings()
    var changed = false
    var timeline: AttemptTimeline
  }

  init(_ task: ClaimedTask, stage: StageDefinition, cancelGrace: Duration) {
    self.task = task
    self.stage = stage
    self.cancelGrace = cancelGrace
    let now = ContinuousClock.now
    began = now
    deadline = now + stage.timeLimit.limit(bytes: task.inputBytes)
    state = Mutex(State(lastReport: now, timeline: AttemptTimeline(claimed: now)))
  }

  /// Takes a report of the child.
  func take(_ report: TaskReport) {
    let phases = stage.phases
    state.withLock { state in
      state.lastReport = .now
      if state.timeline.spoke == nil { state.timeline.spoke = state.lastReport }
      switch report {
      case .heartbeat: break
      case .progress(let progress):
        state.fraction = ChainProgress.taskFraction(
          phases: phases, phase: progress.phase, done: progress.done, total: progress.total, former: state.fraction)
        state.progress = progress.bounded
        state.changed = true
      case .warning(let reported):
        if state.warnings.take(reported.bounded) { state.changed = true }
      case .completed, .completedInFile, .failed:
        if state.outcome == nil { state.outcome = report }
      }
    }
  }

  /// The child runs. It is ended at once if that was decided in the meantime.
  func started(_ child: any RunningTask) {
    let ending = state.withLock { state in
      state.child = child
      state.settleUntil = nil
      state.lastReport = .now
      state.timeline.spawned = state.lastReport
      return state.ending
    }
    if let ending { act(on: child, ending) }
  }

  func end(_ why: Ending) {
    let child = state.withLock { state -> (any RunningTask)? in
      guard state.ending == nil || (why == .lost && state.ending != .lost) else { return nil }
      state.ending = why
      return state.child
    }
    if let child { act(on: child, why) }
  }

  private func act(on child: any RunningTask, _ ending: Ending) {
    switch ending {
    case .lost, .silent, .overTime, .released:
      child.kill()
    case .stopped:
      child.stop()
      let grace = cancelGrace
      Task {
        try? await Task.sleep(for: grace)
        child.kill()
      }
    }
  }

  /// No child runs, not yet or not any more: silence means nothing, but the engine's own work has a limit too.
  func settling(until limit: ContinuousClock.Instant) {
    state.withLock { state in
      if state.child != nil { state.timeline.exited = .now }
      state.child = nil
      state.settleUntil = limit
    }
  }

  /// Whether the lease is to be renewed, or why the attempt is to end.
  func health(_ now: ContinuousClock.Instant) -> (renew: Bool, ending: Ending?) {
    state.withLock { state in
      if state.ending == .lost { return (false, nil) }
      if let limit = state.settleUntil { return (now < limit, nil) }
      // A child that is being ended keeps its lease until it is dead: nobody else starts the task beside it.
      if state.ending != nil { return (true, nil) }
      if now > deadline { return (true, .overTime) }
      if now > state.lastReport + stage.silenceLimit { return (true, .silent) }
      return (true, nil)
    }
  }

  /// Since it was claimed.
  var age: Duration { ContinuousClock.now - began }

  /// What was when, up to now.
  var timeline: AttemptTimeline { state.withLock { $0.timeline } }
  var ending: Ending? { state.withLock { $0.ending } }
  var outcome: TaskReport? { state.withLock { $0.outcome } }

  /// What is to be written of its progress, if anything changed since the last call.
  func takeProgress() -> ProgressRow? {
    state.withLock { state in
      guard state.changed else { return nil }
      state.changed = false
      return ProgressRow(
        task: task.id, attempt: task.attempt, operation: task.operationID, progress: state.progress,
        fraction: state.fraction, warnings: state.warnings.all)
    }
  }

  /// A row that could not be written is written again with what came since.
  func progressNotWritten() { state.withLock { $0.changed = true } }
}
