import CoreMachineTesting
import Foundation
import Synchronization
import PostgreSQL
import PostgreSQLTesting
import TaskProtocol
import Testing
@testable import CoreMachine

/// Two or three transactions at once, in every order of their round trips: what locks are for. (`ModelCheckTests` has every
/// order of whole transactions.)
@Suite(.serialized) struct InterleavingTests {
  /// A meeting of transactions on one operation.
  struct Meeting: Sendable, CustomStringConvertible {
    var name: String
    /// The operation's chain, and how many tasks run when they meet.
    var kind: String
    var running: Int
    /// Who meets, by what they do.
    var who: [Actor]
    /// What is wrong afterwards, as a query with one row for each wrong thing; $1 is the operation.
    var wrong: String

    var description: String { name }
  }

  enum Actor: Sendable {
    /// The n-th running task succeeded.
    case completes(Int)
    /// The reaper saw its lease expire.
    case loses(Int)
    case cancels
    case claims
  }

  private static let settled = """
    SELECT format('%s, published %s times', o.state, p.n) AS what FROM coremachine.operations o,
      LATERAL (SELECT count(*) AS n FROM public.published WHERE operation_id = o.operation_id) p
    WHERE o.operation_id = $1 AND p.n <> (o.state = 'SUCCEEDED')::integer
    UNION ALL SELECT format('stage %s counts %s', s.stage_id, s.remaining)
    FROM coremachine.stages s JOIN coremachine.jobs j USING (job_id), LATERAL (
      SELECT count(*) AS n FROM coremachine.tasks t
      WHERE t.stage_id = s.stage_id AND t.state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED')) t
    WHERE j.operation_id = $1 AND s.remaining <> t.n
    UNION ALL SELECT format('a lease of task %s, attempt %s', l.task_id, l.attempt) FROM coremachine.leases l
      JOIN coremachine.tasks t USING (task_id)
    WHERE t.operation_id = $1 AND (t.state <> 'RUNNING' OR l.attempt <> t.attempt)
    """

  static let meetings = [
    Meeting(
      name: "publish and cancel", kind: "verify", running: 1, who: [.completes(0), .cancels],
      wrong: settled + """
         UNION ALL SELECT 'neither has won: ' || state FROM coremachine.operations
        WHERE operation_id = $1 AND state NOT IN ('SUCCEEDED', 'CANCELLED', 'CANCELLING')
        """),
    Meeting(
      name: "the last two tasks of a stage", kind: "pair,verify", running: 2, who: [.completes(0), .completes(1)],
      wrong: settled + """
         UNION ALL SELECT 'planned ' || count(*) || ' times' FROM coremachine.jobs
        WHERE operation_id = $1 AND step = 2 HAVING count(*) <> 1
        """),
    Meeting(
      name: "a completion and the reaper", kind: "probe,verify", running: 1, who: [.completes(0), .loses(0)],
      wrong: settled + """
         UNION ALL SELECT format('%s after %s attempts', state, attempt) FROM coremachine.tasks t
        WHERE operation_id = $1 AND stage_id = (SELECT min(stage_id) FROM coremachine.tasks WHERE operation_id = $1)
          AND state NOT IN ('SUCCEEDED', 'QUEUED')
        """),
    Meeting(
      name: "publish, cancel and the reaper", kind: "verify", running: 1, who: [.completes(0), .cancels, .loses(0)],
      wrong: settled),
    Meeting(
      name: "two claims", kind: "pair,verify", running: 0, who: [.claims, .claims],
      wrong: settled + """
         UNION ALL SELECT format('task %s was claimed %s times', task_id, attempt) FROM coremachine.tasks
        WHERE operation_id = $1 AND attempt > 1
        """),
    Meeting(
      name: "a claim and cancel", kind: "probe,verify", running: 0, who: [.claims, .cancels],
      wrong: settled + """
         UNION ALL SELECT 'a task runs in an operation that was cancelled before it began' FROM coremachine.operations o
        JOIN coremachine.tasks t USING (operation_id)
        WHERE operation_id = $1 AND o.state = 'CANCELLED' AND t.state = 'RUNNING'
        """),
  ]

  @Test(arguments: meetings) func everyOrderComesToTheSameEnd(_ meeting: Meeting) async throws {
    let (orders, wrong) = try await play(meeting, mutated: [])
    print("\(meeting): \(orders) orders, \(wrong.count) wrong")
    #expect(wrong.isEmpty, "\(wrong.prefix(3))")
  }

  /// Locks, and guards that only matter beside them, taken out one by one: each is missed in some order.
  static let unguarded: [(name: String, meeting: Int, mutations: [Mutation])] = [
    (
      "an operation is ended without its lock and whatever its state", 0,
      [
        Mutation(
          "no lock", in: "complete_tasks",
          [
            (
              "PERFORM FROM coremachine.operations o WHERE o.operation_id = ANY (ended) ORDER BY o.operation_id FOR NO KEY UPDATE;",
              ""
            )
          ],
          .chain),
        Mutation("no look", in: "end_operation", [("AND state = p_from", "")], .chain),
      ]
    ),
    (
      "a counter is counted anew instead of decremented", 1,
      [
        Mutation(
          "counted, without the lock", in: "complete_tasks",
          [
            ("ORDER BY s.stage_id FOR NO KEY UPDATE;", "ORDER BY s.stage_id;"),
            (
              "remaining = s.remaining - e.n",
              "remaining = (SELECT count(*) FROM coremachine.tasks x WHERE x.stage_id = s.stage_id AND x.state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED'))"
            ),
          ], .fanOut)
      ]
    ),
    (
      "a task is ended without its lock", 2,
      [Mutation("no lock", in: "complete_tasks", [("FOR NO KEY UPDATE OF t", "")], .chain)]
    ),
    (
      "a task is claimed without its lock", 4,
      [
        Mutation(
          "no lock", in: "claim_tasks",
          [("LIMIT cardinality(p_slots) FOR UPDATE SKIP LOCKED", "LIMIT cardinality(p_slots)")], .fanOut)
      ]
    ),
  ]

  @Test(arguments: unguarded.indices) func aLockThatIsTakenOutIsMissed(_ index: Int) async throws {
    let (name, meeting, mutations) = Self.unguarded[index]
    let (_, wrong) = try await play(Self.meetings[meeting], mutated: mutations)
    print("\(name): \(wrong.first ?? "not noticed")")
    #expect(!wrong.isEmpty, "not noticed: \(name)")
  }

  // MARK: Playing

  private func play(_ meeting: Meeting, mutated: [Mutation]) async throws -> (orders: Int, wrong: [String]) {
    let fixture = try await freshFixture()
    let interleaving = try await Interleaving(fixture, transactions: meeting.who.count)
    let setUp = try await PostgresConnection.connect(fixture.settings, on: fixture.thread)
    defer {
      interleaving.close()
      setUp.close()
      fixture.pool.close()
    }
    for type in Scenario.jobTypes {
      try await setUp.query(
        "INSERT INTO coremachine.job_types (job_type, handler_version, first_stage, stage_count) VALUES ($1, $2, $3, $4)",
        [
          .text(type.name), .int32(Int32(type.handlerVersion)), .text(type.stages[0].name),
          .int32(Int32(type.stages.count)),
        ])
    }
    for mutation in mutated { try await setUp.execute(script: try await mutation.script(on: setUp)) }
    let orders = Interleaving.orders(meeting.who.map { _ in 2 })
    var wrong: [String] = []
    for (number, order) in orders.enumerated() {
      let operation = try await fixture.begin(
        subject: Int64(number + 1), kind: meeting.kind, parameters: Scenario.parameters)
      // A chain that begins with a list: it is done before they meet.
      if meeting.kind.hasPrefix("pair") { try await run(try await claim(1, setUp), setUp) }
      let running = try await claim(meeting.running, setUp)
      try await setUp.query("UPDATE coremachine.leases SET expires_at = '-infinity'")
      var said = try await interleaving.run(
        meeting.who.map { transaction($0, running, operation, Int64(number + 1)) }, in: order)
      said += try await setUp.query(meeting.wrong, [.int64(operation)]).map { try $0.text("what") }
      wrong += said.map { "\(order): \($0)" }
      // Nothing is left that the next round would claim.
      try await setUp.execute(
        script: """
          DELETE FROM coremachine.leases; DELETE FROM coremachine.tasks; DELETE FROM coremachine.stages;
          DELETE FROM coremachine.jobs; DELETE FROM coremachine.operations; DELETE FROM public.published;
          """)
    }
    return (orders.count, wrong)
  }

  private let claims = ClaimBatch(
    engine: .random(), lease: .seconds(3600), types: Scenario.types, delegate: ScriptedChain(),
    registered: ScriptedChain.statements)

  private func claim(_ count: Int, _ connection: PostgresConnection) async throws -> [ClaimedTask] {
    guard count > 0 else { return [] }
    return try await connection.transaction { try await claims.run(slots: Array(0..<count), in: $0).0 }
  }

  private func run(_ tasks: [ClaimedTask], _ connection: PostgresConnection) async throws {
    for task in tasks {
      _ = try await connection.transaction { transaction in
        try await batch(publishes: false).run([completion(of: task, .succeeded(result: "{}"))], in: transaction)
      }
    }
  }

  private func batch(publishes: Bool) -> CompletionBatch {
    CompletionBatch(
      advance: ChainAdvance(types: Scenario.types, delegate: ScriptedChain(), mayPublish: publishes),
      registered: ScriptedChain.statements, actor: "meeting", crashLoop: 20, observer: NoEngineObserver(),
      failPoint: "meeting")
  }

  private func completion(of task: ClaimedTask, _ outcome: TaskOutcome) -> TaskCompletion {
    TaskCompletion(task: task.id, attempt: task.attempt, outcome: outcome, place: TaskPlace(task))
  }

  /// Two round trips: the first reads and locks, the second writes and commits.
  private func transaction(_ actor: Actor, _ running: [ClaimedTask], _ operation: Int64, _ subject: Int64)
    -> Transaction
  {
    let pending = Pending()
    func inTwo(
      _ name: String, _ first: @Sendable @escaping (PostgresTransaction) async throws -> [PostgresStatement]
    ) -> Transaction {
      Transaction(
        name: name,
        steps: [
          { pending.set(try await first($0)) },
          { transaction in _ = try await transaction.commit(after: pending.take()) },
        ])
    }
    func completes(_ name: String, _ row: TaskCompletion, publishes: Bool) -> Transaction {
      let batch = batch(publishes: publishes)
      return inTwo(name) { try await batch.mark([row], in: $0).statements }
    }
    switch actor {
    case .completes(let index):
      return completes(
        "completion \(index)", completion(of: running[index], .succeeded(result: "{}")),
        publishes: running[index].jobType == "verify")
    case .loses(let index): return completes("reaper", completion(of: running[index], .lost), publishes: false)
    case .cancels:
      return inTwo("cancel") { transaction in
        _ = try await transaction.query("SELECT coremachine.cancel_operation($1)", [.int64(operation)])
        return [touchStatement([subject])]
      }
    case .claims:
      let claims = claims
      return inTwo("claim") { try await claims.claim(slots: [0, 1], in: $0).statements }
    }
  }
}

/// What the second round trip of a transaction is to write.
private final class Pending: Sendable {
  private let statements = Mutex<[PostgresStatement]>([])
  func set(_ new: [PostgresStatement]) { statements.withLock { $0 = new } }
  func take() -> [PostgresStatement] { statements.withLock { $0 } }
}
