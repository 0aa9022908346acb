import Foundation
import PostgreSQL

/// Everything an operation is, as the tables say it, without what only counts (ids) or passes (times): two moments with equal
/// snapshots go on the same way. Tasks are named by place, `step.stage.task`, because ids differ from branch to branch.
struct Snapshot: Hashable, Decodable {
  struct Operation: Hashable, Decodable {
    var state: String
    var step: Int
    var stopping: Bool
    var reason: String?
  }
  struct Job: Hashable, Decodable {
    var step: Int
    var attempt: Int
    var state: String
    var results: Int?
  }
  struct Stage: Hashable, Decodable {
    /// `step.stage`
    var name: String
    var state: String
    var count: Int
    var remaining: Int
    var stopping: Bool
    var problem: String?
  }
  struct Task: Hashable, Decodable {
    var name: String
    var stage: String
    var type: String
    var state: String
    var attempt: Int32
    var failures: Int
    var lost: Int
    /// The attempt whose result is stored.
    var resultOf: Int32?
    var problem: String?
  }
  struct Lease: Hashable, Decodable {
    var task: String
    var attempt: Int32
    var engine: String
    var expired: Bool
  }
  struct Entry: Hashable, Decodable {
    var task: String
    var attempt: Int32
    var kind: String
    var state: String
  }
  struct Report: Hashable, Decodable {
    var task: String
    var attempt: Int32
    var fraction: Double
  }
  struct Shown: Hashable, Decodable {
    var step: Int
    var fraction: Double
  }

  var operation: Operation
  var jobs: [Job]
  var stages: [Stage]
  var tasks: [Task]
  var leases: [Lease]
  var ledger: [Entry]
  var reports: [Report]
  var shown: Shown?
  /// What effects wrote: the steps that were begun, how often it was published, the moves the delegate was told of.
  var steps: [Int]
  var published: Int
  var moves: [String]

  func task(_ name: String) -> Task? { tasks.first { $0.name == name } }
  func lease(_ name: String) -> Lease? { leases.first { $0.task == name } }
  func stage(of task: Task) -> Stage? { stages.first { $0.name == task.stage } }

  /// The attempt runs, and may end its task.
  func isCurrent(_ attempt: AttemptName) -> Bool {
    task(attempt.task).map { $0.state == "RUNNING" && $0.attempt == attempt.attempt } ?? false
  }
  func isToStop(_ task: Task) -> Bool { operation.stopping || stage(of: task)?.stopping ?? false }

  static func isTerminal(_ state: String) -> Bool { ["SUCCEEDED", "FAILED", "CANCELLED"].contains(state) }

  /// The operation has ended and nothing of it is left to do.
  var isSettled: Bool {
    Self.isTerminal(operation.state) && !operation.stopping && leases.isEmpty && stages.allSatisfy { !$0.stopping }
      && tasks.allSatisfy { Self.isTerminal($0.state) } && ledger.allSatisfy { $0.state != "INTENT" }
  }
}

/// An attempt at a task: what workers, reaper and sweeper know, and may know too late.
struct AttemptName: Hashable, Comparable, CustomStringConvertible {
  var task: String
  var attempt: Int32
  var description: String { "\(task)#\(attempt)" }
  static func < (a: AttemptName, b: AttemptName) -> Bool { (a.task, a.attempt) < (b.task, b.attempt) }
}

/// A snapshot, and what belongs to the moment but not to the state.
struct Observation {
  var snapshot: Snapshot
  /// The snapshot as the database wrote it: equal texts are equal snapshots.
  var text: String
  /// The change feed's newest number.
  var change: Int64
  /// Ids of the tasks by name.
  var ids: [String: Int64]

  /// Reading JSON is most of the work of a search, which sees the same texts again and again.
  struct Readings {
    fileprivate var snapshots: [String: Snapshot] = [:]
    fileprivate var ids: [String: [String: Int64]] = [:]
  }

  init(_ row: PGResult.Row, _ readings: inout Readings) throws {
    func read<T: Decodable>(_ text: String, _ known: inout [String: T]) throws -> T {
      if let value = known[text] { return value }
      let value = try JSONDecoder().decode(T.self, from: Data(text.utf8))
      known[text] = value
      return value
    }
    text = try row.json("snapshot")
    snapshot = try read(text, &readings.snapshots)
    change = try row.int64("change")
    ids = try read(try row.json("ids"), &readings.ids)
  }

  /// Reads the operation `$1`.
  static func statement(_ operation: Int64) -> PostgresStatement { PostgresStatement(sql, [.int64(operation)]) }

  private static let sql = """
    WITH s AS MATERIALIZED (
      SELECT s.*, j.step, j.job_type, concat_ws('.', j.step, s.ordinal) AS label
      FROM coremachine.stages s JOIN coremachine.jobs j USING (job_id) WHERE j.operation_id = $1
    ), t AS MATERIALIZED (
      SELECT t.*, s.label AS stage, s.job_type, concat_ws('.', s.label, t.ordinal) AS label
      FROM coremachine.tasks t JOIN s USING (stage_id)
    )
    SELECT json_build_object(
      'operation', (SELECT json_build_object('state', o.state, 'step', o.step, 'stopping', o.stopping,
          'reason', o.problem ->> 'reason') FROM coremachine.operations o WHERE o.operation_id = $1),
      'jobs', (SELECT json_agg(json_build_object('step', j.step, 'attempt', j.attempt, 'state', j.state,
          'results', cardinality(j.results)) ORDER BY j.step, j.attempt) FROM coremachine.jobs j WHERE j.operation_id = $1),
      'stages', (SELECT json_agg(json_build_object('name', s.label, 'state', s.state, 'count', s.task_count,
          'remaining', s.remaining, 'stopping', s.stopping, 'problem', s.problem ->> 'reason') ORDER BY s.label) FROM s),
      'tasks', (SELECT json_agg(json_build_object('name', t.label, 'stage', t.stage, 'type', t.job_type, 'state', t.state,
          'attempt', t.attempt, 'failures', t.failures, 'lost', t.lost_leases,
          'resultOf', (t.result ->> 'attempt')::integer, 'problem', t.problem ->> 'reason') ORDER BY t.label) FROM t),
      'leases', (SELECT COALESCE(json_agg(json_build_object('task', t.label, 'attempt', l.attempt, 'engine', l.engine,
          'expired', l.expires_at < clock_timestamp()) ORDER BY t.label), '[]')
        FROM coremachine.leases l JOIN t USING (task_id)),
      'ledger', (SELECT COALESCE(json_agg(json_build_object('task', t.label, 'attempt', g.attempt, 'kind', g.kind,
          'state', g.state) ORDER BY t.label, g.attempt, g.kind, g.state), '[]')
        FROM coremachine.ledger g JOIN t USING (task_id)),
      'reports', (SELECT COALESCE(json_agg(json_build_object('task', t.label, 'attempt', p.attempt,
          'fraction', p.fraction) ORDER BY t.label), '[]') FROM coremachine.task_progress p JOIN t USING (task_id)),
      'shown', (SELECT json_build_object('step', p.step, 'fraction', p.fraction) FROM coremachine.progress p
        WHERE p.operation_id = $1),
      'steps', (SELECT COALESCE(json_agg(p.step ORDER BY p.step), '[]') FROM public.steps p WHERE p.operation_id = $1),
      'published', (SELECT count(*) FROM public.published p WHERE p.operation_id = $1),
      'moves', (SELECT COALESCE(json_agg(m.from_state || '>' || m.to_state ORDER BY m.from_state, m.to_state), '[]')
        FROM public.moves m WHERE m.operation_id = $1)
    ) AS snapshot,
    (SELECT last FROM coremachine.change_counter) AS change,
    (SELECT json_object_agg(t.label, t.task_id) FROM t) AS ids
    """
}
