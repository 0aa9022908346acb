import CoreMachineTesting
import PostgreSQL
import TaskProtocol
@testable import CoreMachine

/// What a worker knows of the attempt it runs. It stays that way when the attempt has long been given to another.
struct Claim: Hashable {
  var attempt: AttemptName
  /// Told to stop: by its engine's sweep, a renewal, or a refused adoption.
  var stop = false
  var prepared = false
  /// Its first statement was refused: it says so, and that is all it may do.
  var refused = false
  var reported = false
  var adopted = false

  var flags: String { [stop, prepared, refused, reported, adopted].map { $0 ? "1" : "0" }.joined() }
}

/// What the actors know; with the tables, the whole state.
struct Knowledge: Hashable {
  var workers: [Claim?] = [nil, nil]
  /// What the reaper saw expired, and has not ended yet.
  var reaper: [AttemptName] = []
  /// The tasks that did not run when the sweep looked.
  var sweeper: [AttemptName] = []
  var cancelled = false
  // What has gone wrong, of the scenario's bounds.
  var losses = 0
  var failures = 0
}

/// How a worker ends an attempt.
enum Ending: Hashable { case succeeded, failed, retry, released, cancelled }

/// A step: one committed transaction in production, or a look without one.
enum Step: Hashable, CustomStringConvertible {
  case claim(Int)
  case prepare(Int)
  case report(Int)
  case adopt(Int)
  case renew(Int)
  case complete(Int, Ending)
  /// Both workers' rows in one batch.
  case completeBoth(Ending, Ending)
  /// Time passes: clock_timestamp() cannot be moved, so the lease is.
  case leaseRunsOut(String)
  case reaperLooks
  case reaperEnds
  case cancel
  case sweeperLooks
  case sweeperEnds

  /// Done to the engine rather than by it: it must get to an end without.
  var isMishap: Bool {
    switch self {
    case .leaseRunsOut, .cancel, .complete(_, .failed), .complete(_, .retry), .complete(_, .released): true
    case .completeBoth(let a, let b): a != .succeeded || b != .succeeded
    default: false
    }
  }

  /// The attempts in whose name the step is taken.
  func attempts(_ knowledge: Knowledge) -> [AttemptName] {
    switch self {
    case .prepare(let worker), .report(let worker), .adopt(let worker), .renew(let worker), .complete(let worker, _):
      [knowledge.workers[worker]?.attempt].compactMap { $0 }
    case .completeBoth: knowledge.workers.compactMap { $0?.attempt }
    case .reaperEnds: knowledge.reaper
    case .sweeperEnds: knowledge.sweeper
    case .claim, .leaseRunsOut, .reaperLooks, .cancel, .sweeperLooks: []
    }
  }

  /// Whether the step may change something in the name of one of its attempts.
  func mayChange(_ attempt: AttemptName, in state: Snapshot) -> Bool {
    guard let task = state.task(attempt.task), task.attempt == attempt.attempt else { return false }
    return switch self {
    case .reaperEnds: state.isCurrent(attempt) && state.lease(attempt.task)?.expired ?? true
    // What has to stop may be stopped by anyone, also when the task waits for its next claim.
    case .sweeperEnds, .complete(_, .cancelled), .completeBoth(.cancelled, _), .completeBoth(_, .cancelled):
      !Snapshot.isTerminal(task.state) && state.isToStop(task)
    default: state.isCurrent(attempt)
    }
  }

  var description: String {
    func name(_ worker: Int) -> String { ["A", "B"][worker] }
    return switch self {
    case .claim(let worker): "\(name(worker)) claims"
    case .prepare(let worker): "\(name(worker)) writes its intent"
    case .report(let worker): "\(name(worker)) reports"
    case .adopt(let worker): "\(name(worker)) adopts"
    case .renew(let worker): "\(name(worker)) renews"
    case .complete(let worker, let ending): "\(name(worker)) completes, \(ending)"
    case .completeBoth(let a, let b): "A completes, \(a), and B, \(b), in one batch"
    case .leaseRunsOut(let task): "the lease of \(task) runs out"
    case .reaperLooks: "the reaper looks"
    case .reaperEnds: "the reaper ends what it saw"
    case .cancel: "cancel"
    case .sweeperLooks: "the sweep looks"
    case .sweeperEnds: "the sweep ends what it saw"
    }
  }
}

extension Scenario {
  /// The steps somebody could take now.
  func steps(_ state: Snapshot, _ knowledge: Knowledge) -> [Step] {
    var steps: [Step] = []
    let mayFail = knowledge.failures < failures
    func endings(_ claim: Claim) -> [Ending] {
      if claim.refused { return [.failed] }
      if claim.stop { return [.cancelled] }
      let isReady = !leavesThings || claim.adopted
      return (isReady ? [.succeeded] : []) + (mayFail ? [.failed, .retry] : []) + (releases ? [.released] : [])
    }
    for (worker, claim) in knowledge.workers.enumerated() {
      guard let claim else {
        if state.tasks.contains(where: { ["QUEUED", "WAITING"].contains($0.state) }) { steps.append(.claim(worker)) }
        continue
      }
      if leavesThings, !claim.stop, !claim.refused {
        if !claim.prepared { steps.append(.prepare(worker)) }
        if claim.prepared, !claim.reported { steps.append(.report(worker)) }
        // What was reported is written before the attempt is settled.
        if claim.reported, !claim.adopted { steps.append(.adopt(worker)) }
      }
      steps += endings(claim).map { .complete(worker, $0) }
      let lease = state.lease(claim.attempt.task)
      let isHeld = lease?.attempt == claim.attempt.attempt
      let isToStop = state.task(claim.attempt.task).map(state.isToStop) ?? false
      if !isHeld || lease?.expired ?? false || (isToStop && !claim.stop) { steps.append(.renew(worker)) }
    }
    if let a = knowledge.workers[0], let b = knowledge.workers[1],
      [a, b].allSatisfy({ !publishes($0.attempt, in: state) }), !leavesThings
    {
      for (first, second) in endings(a).flatMap({ first in endings(b).map { (first, $0) } })
      where first == .succeeded || second == .succeeded || first == .cancelled {
        steps.append(.completeBoth(first, second))
      }
    }
    for lease in state.leases where !lease.expired && knowledge.losses < losses {
      steps.append(.leaseRunsOut(lease.task))
    }
    let expired = state.leases.filter(\.expired).map { AttemptName(task: $0.task, attempt: $0.attempt) }
    if !expired.isEmpty, expired != knowledge.reaper { steps.append(.reaperLooks) }
    if !knowledge.reaper.isEmpty { steps.append(.reaperEnds) }
    if !knowledge.cancelled { steps.append(.cancel) }
    let toStop = state.tasks.filter { !Snapshot.isTerminal($0.state) && state.isToStop($0) }
    if toStop.contains(where: { task in
      let attempt = AttemptName(task: task.name, attempt: task.attempt)
      return task.state == "RUNNING"
        ? knowledge.workers.contains { $0?.attempt == attempt && $0?.stop == false }
        : !knowledge.sweeper.contains(attempt)
    }) {
      steps.append(.sweeperLooks)
    }
    if !knowledge.sweeper.isEmpty { steps.append(.sweeperEnds) }
    return steps
  }

  func publishes(_ attempt: AttemptName, in state: Snapshot) -> Bool {
    state.task(attempt.task).flatMap { Self.types[$0.type] }?.publishes ?? false
  }
}

/// The actors: they run the engine's own statements in the search's transaction.
struct Actors {
  let scenario: Scenario
  let transaction: PostgresTransaction
  let operation: Int64
  let subject: Int64
  let engines = [PGUUID.random(), PGUUID.random()]

  /// What a step came to: what its actor knows now, the statements that end its transaction, and what it did wrong.
  struct Taken {
    var knowledge: Knowledge
    var statements: [PostgresStatement] = []
    var wrong: [String] = []
  }

  func take(_ step: Step, from now: Observation, _ knowledge: Knowledge) async throws -> Taken {
    var taken = Taken(knowledge: knowledge)
    switch step {
    case .claim(let worker): try await claim(worker, &taken, now)
    case .prepare(let worker): try await prepare(worker, &taken, now)
    case .report(let worker): try await report(worker, &taken, now)
    case .adopt(let worker): try await adopt(worker, &taken, now)
    case .renew(let worker): try await renew(worker, &taken, now)
    case .complete(let worker, let ending): try await complete([(worker, ending)], &taken, now)
    case .completeBoth(let a, let b): try await complete([(0, a), (1, b)], &taken, now)
    case .leaseRunsOut(let task):
      taken.knowledge.losses += 1
      taken.statements = [
        PostgresStatement(
          "UPDATE coremachine.leases SET expires_at = '-infinity' WHERE task_id = $1", [.optional(now.ids[task])])
      ]
    case .reaperLooks:
      taken.knowledge.reaper = try attempts(try await transaction.query(Reaper.expired), now)
    case .reaperEnds:
      let ended = try await mark(knowledge.reaper.map { ($0, .lost) }, publishes: false, now)
      taken.statements = ended.statements
      taken.knowledge.reaper = []
    case .cancel:
      // As callers do: their rows change with it, and the touch is last.
      taken.knowledge.cancelled = true
      taken.statements = [
        PostgresStatement("SELECT coremachine.cancel_operation($1)", [.int64(operation)]), touchStatement([subject]),
      ]
    case .sweeperLooks: try await sweep(&taken, now)
    case .sweeperEnds:
      let ended = try await mark(knowledge.sweeper.map { ($0, .cancelled) }, publishes: false, now)
      taken.statements = ended.statements
      taken.knowledge.sweeper = []
    }
    return taken
  }

  private func engine(_ worker: Int) -> PGUUID { engines[scenario.sharesEngine ? 0 : worker] }

  // MARK: Workers

  private func claim(_ worker: Int, _ taken: inout Taken, _ now: Observation) async throws {
    let batch = ClaimBatch(
      engine: engine(worker), lease: .seconds(3600), types: Scenario.types, delegate: ScriptedChain(),
      registered: ScriptedChain.statements)
    let claimed = try await batch.claim(slots: [worker], in: transaction)
    taken.statements = claimed.statements
    if let task = claimed.tasks.first {
      taken.knowledge.workers[worker] = Claim(
        attempt: AttemptName(task: name(task.id, now) ?? "?", attempt: task.attempt))
    }
  }

  private func prepare(_ worker: Int, _ taken: inout Taken, _ now: Observation) async throws {
    guard let claim = taken.knowledge.workers[worker] else { return }
    let intended = try await transaction.query(
      "SELECT coremachine.ledger_intend($1, $2, 'scratch', $3, 'here')",
      [.optional(now.ids[claim.attempt.task]), .int32(claim.attempt.attempt), .text("scratch \(claim.attempt)")])
    let isRefused = try intended.oneRow().optional(at: 0, as: Int64.self) == nil
    taken.knowledge.workers[worker]?.prepared = !isRefused
    taken.knowledge.workers[worker]?.refused = isRefused
  }

  private func report(_ worker: Int, _ taken: inout Taken, _ now: Observation) async throws {
    guard let claim = taken.knowledge.workers[worker] else { return }
    taken.knowledge.workers[worker]?.reported = true
    let row = ProgressRow(
      task: now.ids[claim.attempt.task] ?? 0, attempt: claim.attempt.attempt, operation: operation,
      progress: TaskProgress(phase: "load", unit: "rows", done: 1, total: 2, message: ""),
      fraction: claim.attempt.attempt == 1 ? 0.5 : 0.25, warnings: [])
    taken.statements = [try ProgressLane.statement([row])]
  }

  /// The fence, and a hook that takes over one thing, which each attempt calls by the same name.
  private func adopt(_ worker: Int, _ taken: inout Taken, _ now: Observation) async throws {
    guard let claim = taken.knowledge.workers[worker] else { return }
    let task = PGValue.optional(now.ids[claim.attempt.task])
    let current = try await transaction.query(AttemptRunner.adoptionFence, [task, .int32(claim.attempt.attempt)])
    guard !current.isEmpty else {
      taken.knowledge.workers[worker]?.stop = true
      return
    }
    taken.knowledge.workers[worker]?.adopted = true
    taken.statements = [
      PostgresStatement(
        "SELECT coremachine.ledger_present($1, $2, 'table', $3, 1)",
        [task, .int32(claim.attempt.attempt), .text("table \(claim.attempt.task)")])
    ]
  }

  private func renew(_ worker: Int, _ taken: inout Taken, _ now: Observation) async throws {
    guard let claim = taken.knowledge.workers[worker] else { return }
    let rows = try await transaction.query(
      LeaseKeeper.renewal,
      [
        .uuid(engine(worker)), .int64Array([now.ids[claim.attempt.task]]), .int32Array([claim.attempt.attempt]),
        .int64(3_600_000),
      ])
    guard let row = rows.first else {
      // Lost: the child is ended, and nothing is said.
      taken.knowledge.workers[worker] = nil
      return
    }
    if !now.snapshot.isCurrent(claim.attempt) {
      taken.wrong.append("\(claim.attempt) renewed a lease it does not hold")
    }
    if try row.bool("stop") { taken.knowledge.workers[worker]?.stop = true }
  }

  private func complete(_ ended: [(worker: Int, ending: Ending)], _ taken: inout Taken, _ now: Observation) async throws
  {
    var rows: [(AttemptName, TaskOutcome)] = []
    for (worker, ending) in ended {
      guard let claim = taken.knowledge.workers[worker] else { continue }
      rows.append((claim.attempt, outcome(ending, claim.attempt)))
      if ending == .failed && !claim.refused || ending == .retry { taken.knowledge.failures += 1 }
      taken.knowledge.workers[worker] = nil
    }
    let publishes = rows.contains { scenario.publishes($0.0, in: now.snapshot) }
    let marked = try await mark(rows, publishes: publishes, now)
    taken.statements = marked.statements
    for ((verdict, row), (worker, ending)) in zip(zip(marked.verdicts, rows), ended)
    where (verdict == .stale) == Step.complete(worker, ending).mayChange(row.0, in: now.snapshot) {
      taken.wrong.append("the completion of \(row.0), \(ending), was answered \(verdict)")
    }
  }

  private func outcome(_ ending: Ending, _ attempt: AttemptName) -> TaskOutcome {
    switch ending {
    case .succeeded: .succeeded(result: #"{"attempt":\#(attempt.attempt)}"#)
    case .failed: .failed(ProblemReport(reason: "NO_GOOD", message: "it is no good"))
    case .retry: .retry(ProblemReport(reason: "BUSY", message: "later", transient: true), after: .zero)
    case .released: .released
    case .cancelled: .cancelled
    }
  }

  // MARK: Everybody

  private func sweep(_ taken: inout Taken, _ now: Observation) async throws {
    let rows = try await transaction.query(Canceller.toStop, [.int64(1000)])
    var idle: [AttemptName] = []
    for row in rows {
      guard let task = name(try row.int64("task_id"), now) else { continue }
      let attempt = AttemptName(task: task, attempt: try row.int32("attempt"))
      if try row.text("state") != TaskState.running.rawValue {
        idle.append(attempt)
      } else {
        for worker in taken.knowledge.workers.indices where taken.knowledge.workers[worker]?.attempt == attempt {
          taken.knowledge.workers[worker]?.stop = true
        }
      }
    }
    taken.knowledge.sweeper = idle
  }

  private func mark(_ rows: [(AttemptName, TaskOutcome)], publishes: Bool, _ now: Observation) async throws
    -> CompletionBatch.Marked
  {
    let batch = CompletionBatch(
      advance: ChainAdvance(types: Scenario.types, delegate: ScriptedChain(), mayPublish: publishes),
      registered: ScriptedChain.statements, actor: "model", crashLoop: scenario.crashLoop, observer: NoEngineObserver(),
      failPoint: "model")
    // In the order in which the lane sends them.
    let place = TaskPlace(subject: subject, operation: operation, step: 1, jobType: "probe")  // only for the observer
    let completions = rows.map {
      TaskCompletion(task: now.ids[$0.0.task] ?? 0, attempt: $0.0.attempt, outcome: $0.1, place: place)
    }
    return try await batch.mark(completions, in: transaction)
  }

  private func attempts(_ rows: PGResult, _ now: Observation) throws -> [AttemptName] {
    try rows.compactMap { row in
      try name(try row.int64("task_id"), now).map { AttemptName(task: $0, attempt: try row.int32("attempt")) }
    }.sorted()
  }

  private func name(_ id: Int64, _ now: Observation) -> String? { now.ids.first { $0.value == id }?.key }
}
