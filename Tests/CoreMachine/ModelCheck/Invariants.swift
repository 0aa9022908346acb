/// What must hold of every state, and of every step from one to the next. Each answers what is wrong, in words.
enum Invariants {
  /// Of a state.
  static func violations(of state: Snapshot) -> [String] {
    var wrong: [String] = []
    func require(_ holds: Bool, _ what: @autoclosure () -> String) { if !holds { wrong.append(what()) } }
    let operation = state.operation

    // Counters.
    for stage in state.stages {
      let tasks = state.tasks.filter { $0.stage == stage.name }
      let left = tasks.count { !Snapshot.isTerminal($0.state) }
      require(stage.remaining == left, "stage \(stage.name) counts \(stage.remaining) tasks and has \(left)")
      require(
        stage.count == tasks.count, "stage \(stage.name) was planned with \(stage.count) tasks, not \(tasks.count)")
      require(
        (stage.remaining == 0) == Snapshot.isTerminal(stage.state),
        "stage \(stage.name) is \(stage.state) with \(stage.remaining) tasks left")
      require(
        stage.state != "SUCCEEDED" || tasks.allSatisfy { $0.state == "SUCCEEDED" },
        "stage \(stage.name) SUCCEEDED without its tasks")
    }

    // Planned once.
    require(Set(state.stages.map(\.name)).count == state.stages.count, "a stage was planned twice")
    require(Set(state.jobs.map(\.step)).count == state.jobs.count, "a job was planned twice")
    require(state.jobs.map(\.step).max() == operation.step, "the operation's step is not that of its last job")
    require(state.steps == Array(2..<(operation.step + 1)), "the effects of the steps were \(state.steps)")

    // Published once, or not at all.
    require(
      (operation.state == "SUCCEEDED") == (state.published == 1),
      "\(operation.state), published \(state.published) times")
    require(Set(state.moves).count == state.moves.count, "a move had its effects twice: \(state.moves)")

    // Ended means ended; what is not ended goes on.
    let open = state.tasks.filter { !Snapshot.isTerminal($0.state) }
    if Snapshot.isTerminal(operation.state) {
      // Cancelled while it was QUEUED: its tasks end after it.
      require(
        open.isEmpty || (operation.state == "CANCELLED" && operation.stopping), "\(operation.state) with tasks left")
    } else {
      require(!open.isEmpty, "\(operation.state) and nothing will ever be done")
      require(operation.state != "CANCELLING" || operation.stopping, "CANCELLING and nobody is told to stop")
    }

    // Leases.
    for lease in state.leases {
      require(
        state.isCurrent(AttemptName(task: lease.task, attempt: lease.attempt)),
        "a lease of \(lease.task)#\(lease.attempt), which does not run")
    }
    for task in state.tasks {
      require(task.state != "RUNNING" || state.lease(task.name) != nil, "\(task.name) is RUNNING without a lease")
      require(
        task.state != "SUCCEEDED" || task.resultOf == task.attempt,
        "the result of \(task.name) is of attempt \(task.resultOf.map(String.init) ?? "none"), not \(task.attempt)")
    }

    // The ledger: what an attempt left that cannot use it any more is to be removed.
    for entry in state.ledger where entry.state == "INTENT" || entry.state == "PRESENT" {
      let task = state.task(entry.task)
      let runs = state.isCurrent(AttemptName(task: entry.task, attempt: entry.attempt))
      let stays = entry.state == "PRESENT" && task?.state == "SUCCEEDED" && task?.attempt == entry.attempt
      require(runs || stays, "\(entry.kind) of \(entry.task)#\(entry.attempt) is \(entry.state) and nobody's")
    }
    for report in state.reports {
      require(
        state.task(report.task).map { $0.attempt >= report.attempt } ?? false, "progress of an attempt that is not yet")
    }
    return wrong
  }

  /// Of a step.
  static func violations(of step: Step, from before: Observation, to after: Observation, by acting: Knowledge)
    -> [String]
  {
    var wrong: [String] = []
    func require(_ holds: Bool, _ what: @autoclosure () -> String) { if !holds { wrong.append(what()) } }
    let (old, new) = (before.snapshot, after.snapshot)

    if Snapshot.isTerminal(old.operation.state) {
      require(
        new.operation.state == old.operation.state && new.operation.step == old.operation.step,
        "an operation changed after it was \(old.operation.state)")
      require(new.published == old.published, "published after it was \(old.operation.state)")
    }
    for task in old.tasks {
      guard let now = new.task(task.name) else {
        wrong.append("task \(task.name) is gone")
        continue
      }
      if Snapshot.isTerminal(task.state) { require(now == task, "\(task.name) changed after it was \(task.state)") }
      require(now.attempt >= task.attempt, "the attempts of \(task.name) went back")
      if task.state != "RUNNING", now.state == "RUNNING" {
        require(now.attempt == task.attempt + 1, "\(task.name) was claimed without a new attempt")
        require(
          new.operation.state == "RUNNING", "\(task.name) was begun for an operation that is \(new.operation.state)")
      }
      if now.lost > task.lost {
        require(old.lease(task.name)?.expired ?? false, "\(task.name) was taken from a worker that holds its lease")
      }
    }

    // Nobody changes anything with an attempt that is not current.
    let stale = step.attempts(acting).filter { !step.mayChange($0, in: old) }
    if !stale.isEmpty, stale.count == step.attempts(acting).count {
      require(new == old && after.change == before.change, "\(stale) changed something and is not current")
    }

    // Watchers are told of what they can see, and what they see does not go back.
    if Outward(old) != Outward(new) {
      require(after.change > before.change, "the operation changed outwardly without a change number")
    }
    require(after.change >= before.change, "change numbers went back")
    if let shown = old.shown, let now = new.shown {
      require((shown.step, shown.fraction) <= (now.step, now.fraction), "progress went back")
    }
    return wrong
  }

  /// What a watcher is shown of an operation.
  private struct Outward: Equatable {
    var state: String
    var step: Int
    var published: Int
    var shown: Snapshot.Shown?

    init(_ snapshot: Snapshot) {
      state = snapshot.operation.state
      step = snapshot.operation.step
      published = snapshot.published
      shown = snapshot.shown
    }
  }
}
