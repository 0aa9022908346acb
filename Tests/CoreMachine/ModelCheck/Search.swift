import CoreMachineTesting
import PostgreSQL
@testable import CoreMachine

/// What went wrong, and the steps that lead there.
struct Violation: Error, CustomStringConvertible {
  var what: [String]
  var path: [Step]
  var description: String {
    "\(what.joined(separator: "; "))\n  after: \(path.map(\.description).joined(separator: ", "))"
  }
}

/// How much was looked at.
struct SearchReport: CustomStringConvertible {
  var scenario: String
  var states = 0
  var transitions = 0
  var settled = 0
  var longestPath = 0
  var duration: Duration = .zero
  var description: String {
    "\(scenario): \(states) states, \(transitions) transitions, \(settled) of them ends, paths of up to \(longestPath) steps, \(duration)"
  }
}

/// Depth-first search over everything the actors can do, one step after the other, on the real tables with the real
/// statements: the whole search is one transaction, a savepoint is a way back, and nothing of it is ever committed.
///
/// A state that was seen before is not entered again. States are compared whole (`Snapshot` and `Knowledge`), never by a hash
/// alone, so none is taken for another.
final class Search {
  private struct State: Hashable {
    /// Number of the snapshot.
    var snapshot: Int
    var knowledge: Knowledge
  }
  private let scenario: Scenario
  private let transaction: PostgresTransaction
  private let actors: Actors
  private var readings = Observation.Readings()
  private var snapshots: [Snapshot: Int] = [:]
  /// The number of a snapshot's text, and of its mirror image: looked up thousands of times.
  private var snapshotNumbers: [String: (asIs: Int, mirrored: Int)] = [:]
  private var checked: Set<String> = []
  private var numbers: [State: Int] = [:]
  /// For each state, what it leads to without a mishap.
  private var leadsTo: [[Int]] = []
  private var settled: Set<Int> = []
  private var path: [Step] = []
  private var report: SearchReport

  private init(_ scenario: Scenario, _ transaction: PostgresTransaction, _ operation: Int64) {
    self.scenario = scenario
    self.transaction = transaction
    actors = Actors(scenario: scenario, transaction: transaction, operation: operation, subject: 1)
    report = SearchReport(scenario: scenario.name)
  }

  /// Searches all of a scenario. Throws the first violation.
  ///
  /// - Parameter script: Run first, and taken back with everything else: what a mutation does to the schema.
  static func run(
    _ scenario: Scenario, on connection: PostgresConnection, changing script: [String] = []
  ) async throws -> SearchReport {
    let began = ContinuousClock.now
    var report = SearchReport(scenario: scenario.name)
    do {
      try await connection.transaction { transaction in
        // Thousands of runs of a few statements: planning them is most of the cost.
        try await transaction.execute(script: "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL jit = off")
        for statement in script { try await transaction.execute(script: statement) }
        let search = Search(scenario, transaction, try await begin(scenario, in: transaction))
        try await search.fromTheBeginning()
        throw Found(report: search.report)
      }
    } catch let found as Found {
      report = found.report
    }
    report.duration = ContinuousClock.now - began
    return report
  }

  /// Takes the search's transaction back.
  private struct Found: Error { var report: SearchReport }

  private static func begin(_ scenario: Scenario, in transaction: PostgresTransaction) async throws -> Int64 {
    for type in Scenario.jobTypes {
      _ = try await transaction.query(
        "INSERT INTO coremachine.job_types (job_type, handler_version, first_stage, stage_count) VALUES ($1, $2, $3, $4)",
        [
          .text(type.name), .int32(Int32(type.handlerVersion)), .text(type.stages[0].name),
          .int32(Int32(type.stages.count)),
        ])
    }
    let first = scenario.kind.prefix { $0 != "," }
    let ids = try await transaction.query(
      "SELECT coremachine.begin_operations('{1}', ARRAY[$1], '{NULL}', ARRAY[$2], ARRAY[$3]) AS ids",
      [.text(scenario.kind), .text(String(first)), .text(Scenario.parameters)]
    ).oneRow().int64Array("ids")
    _ = try await transaction.pipeline([touchStatement([1])])
    return ids[0]
  }

  private func fromTheBeginning() async throws {
    var now = try await observe(after: [])
    var knowledge = Knowledge()
    for _ in 0..<scenario.done {
      for step in [Step.claim(0), .complete(0, .succeeded)] { (now, knowledge) = try await take(step, now, knowledge) }
    }
    let root = try await enter(now, knowledge)
    report.states = numbers.count
    report.settled = settled.count
    guard root == 0 else { return }
    try findDeadEnds()
  }

  /// Takes one step and checks it and what it led to.
  private func take(_ step: Step, _ now: Observation, _ knowledge: Knowledge) async throws -> (Observation, Knowledge) {
    path.append(step)
    report.transitions += 1
    report.longestPath = max(report.longestPath, path.count)
    let taken: Actors.Taken
    let after: Observation
    do {
      taken = try await actors.take(step, from: now, knowledge)
      after = try await observe(after: taken.statements)
    } catch {
      // Nothing runs beside it, so nothing may be refused.
      throw Violation(what: ["refused: \(error)"], path: path)
    }
    let wrong =
      taken.wrong + Invariants.violations(of: step, from: now, to: after, by: knowledge)
      + (checked.contains(after.text) ? [] : Invariants.violations(of: after.snapshot))
    if !wrong.isEmpty { throw Violation(what: wrong, path: path) }
    checked.insert(after.text)
    return (after, taken.knowledge)
  }

  /// Enters a state unless it was entered before; answers its number.
  private func enter(_ now: Observation, _ knowledge: Knowledge) async throws -> Int {
    let state = canonical(now, knowledge)
    if let known = numbers[state] { return known }
    let number = numbers.count
    numbers[state] = number
    leadsTo.append([])
    if now.snapshot.isSettled { settled.insert(number) }
    let steps = scenario.steps(now.snapshot, knowledge)
    guard !steps.isEmpty else {
      if !now.snapshot.isSettled { throw Violation(what: ["nobody can do anything, and it has not ended"], path: path) }
      return number
    }
    let savepoint = "depth_\(path.count)"
    _ = try await transaction.query("SAVEPOINT \(savepoint)")
    for step in steps {
      let (after, known) = try await take(step, now, knowledge)
      let next = try await enter(after, known)
      if next != number, !step.isMishap { leadsTo[number].append(next) }
      path.removeLast()
      _ = try await transaction.query("ROLLBACK TO \(savepoint)")
    }
    return number
  }

  private func observe(after statements: [PostgresStatement]) async throws -> Observation {
    let results = try await transaction.pipeline(statements + [Observation.statement(actors.operation)])
    return try Observation(results[results.count - 1].oneRow(), &readings)
  }

  /// The workers do the same things: a state and its mirror image are one.
  private func canonical(_ now: Observation, _ knowledge: Knowledge) -> State {
    func key(_ claim: Claim?) -> String { claim.map { "\($0.attempt) \($0.flags)" } ?? "" }
    let swaps = key(knowledge.workers[0]) > key(knowledge.workers[1])
    let known =
      snapshotNumbers[now.text] ?? (number(now.snapshot, mirrored: false), number(now.snapshot, mirrored: true))
    snapshotNumbers[now.text] = known
    var state = State(snapshot: swaps ? known.mirrored : known.asIs, knowledge: knowledge)
    if swaps { state.knowledge.workers.reverse() }
    return state
  }

  private func number(_ snapshot: Snapshot, mirrored: Bool) -> Int {
    var snapshot = snapshot
    for index in snapshot.leases.indices {
      let isFirst = snapshot.leases[index].engine == "\(actors.engines[0])".lowercased()
      snapshot.leases[index].engine = scenario.sharesEngine || isFirst != mirrored ? "A" : "B"
    }
    let number = snapshots[snapshot] ?? snapshots.count
    snapshots[snapshot] = number
    return number
  }

  /// From every state the operation gets to an end without a mishap: no wake-up is lost.
  private func findDeadEnds() throws {
    var reaches = settled
    var comesFrom = [[Int]](repeating: [], count: leadsTo.count)
    for (from, ends) in leadsTo.enumerated() { for end in ends { comesFrom[end].append(from) } }
    var frontier = Array(settled)
    while let state = frontier.popLast() {
      for former in comesFrom[state] where reaches.insert(former).inserted { frontier.append(former) }
    }
    if let (state, number) = numbers.first(where: { !reaches.contains($0.value) }) {
      throw Violation(
        what: ["state \(number) never comes to an end: \(state.knowledge)"], path: [])
    }
  }
}
