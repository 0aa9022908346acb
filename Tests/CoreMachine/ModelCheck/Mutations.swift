import CoreMachineTesting
import Foundation
import PostgreSQL

/// One guard taken out of one function of the schema: what the model check must notice.
struct Mutation: Sendable, CustomStringConvertible {
  var name: String
  var function: String
  /// In the function's text as the database has it: each must be there, and is replaced wherever it is.
  var replacing: [(String, String)]
  /// Where it shows.
  var scenario: Scenario

  init(_ name: String, in function: String, _ replacing: [(String, String)], _ scenario: Scenario) {
    self.name = name
    self.function = function
    self.replacing = replacing
    self.scenario = scenario
  }

  var description: String { name }

  struct DoesNotApply: Error { var mutation: String }

  /// The mutated function, from what the database has now.
  func script(on connection: PostgresConnection) async throws -> String {
    let text = try await connection.query(
      "SELECT pg_get_functiondef(('coremachine.' || $1)::regproc) AS text", [.text(function)]
    ).oneRow().text("text")
    var mutated = text
    for (guarding, open) in replacing {
      let parts = mutated.components(separatedBy: guarding)
      guard parts.count > 1 else { throw DoesNotApply(mutation: "\(name): \(guarding)") }
      mutated = parts.joined(separator: open)
    }
    return mutated
  }

  static let all: [Mutation] = [
    // Fences.
    Mutation(
      "any attempt completes a task", in: "complete_tasks", [("WHERE t.attempt = i.attempt", "WHERE true")], .chain),
    Mutation(
      "a task that has ended is completed again", in: "complete_tasks",
      [("(t.state = 'RUNNING' OR (i.outcome = 'CANCELLED' AND t.state IN ('QUEUED', 'WAITING')))", "true")], .chain),
    Mutation(
      "a lease that was renewed is lost all the same", in: "complete_tasks",
      [("AND l.expires_at > clock_timestamp()", "AND false")], .chain),
    Mutation(
      "a worker that lost its lease cancels the task", in: "complete_tasks",
      [("(i.outcome <> 'CANCELLED' OR o.stopping OR s.stopping)", "true")], .things),
    Mutation("any attempt renews a lease", in: "renew_leases", [("l.attempt = mine.attempt", "true")], .chain),
    Mutation("any attempt reports progress", in: "write_progress", [("AND l.attempt = i.attempt", "")], .things),
    Mutation("any attempt writes intents", in: "ledger_intend", [("AND l.attempt = p_attempt", "")], .things),
    // Counters.
    Mutation(
      "a counter is not decremented", in: "complete_tasks",
      [("remaining = s.remaining - e.n", "remaining = s.remaining")],
      .fanOut),
    Mutation(
      "a counter is decremented twice", in: "complete_tasks",
      [("remaining = s.remaining - e.n", "remaining = GREATEST(0, s.remaining - 2 * e.n)")], .fanOut),
    Mutation(
      "a batch counts as one task", in: "complete_tasks", [("count(*)::integer AS n", "1 AS n")], .fanOut),
    Mutation(
      "a failed task does not count", in: "complete_tasks",
      [
        (
          "WHERE m.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') GROUP BY",
          "WHERE m.state IN ('SUCCEEDED', 'CANCELLED') GROUP BY"
        )
      ],
      .fanOut),
    // Compare and set.
    Mutation(
      "cancel takes an operation that has ended", in: "cancel_operation",
      [("AND o.state IN ('QUEUED', 'RUNNING', 'INPUT_REQUIRED')", "")], .chain),
    Mutation(
      "a stage of a cancelled operation succeeds", in: "complete_tasks",
      [("WHEN o.state <> 'RUNNING' THEN 'CANCELLED'", "WHEN false THEN 'CANCELLED'")], .chain),
    Mutation(
      "tasks of an operation being cancelled are claimed", in: "claim_tasks",
      [
        ("AND o.state IN ('QUEUED', 'RUNNING') AND NOT o.stopping", ""),
        (
          "AND EXISTS (\n        SELECT FROM coremachine.operations o WHERE o.operation_id = t.operation_id AND o.state = 'RUNNING')",
          ""
        ),
      ], .chain),
    // Leases and the ledger.
    Mutation(
      "a completed attempt keeps its lease", in: "complete_tasks",
      [
        (
          "DELETE FROM coremachine.leases l USING decided d WHERE l.task_id = d.task_id AND l.attempt = d.attempt",
          "DELETE FROM coremachine.leases l USING decided d WHERE false"
        )
      ], .chain),
    Mutation(
      "what a fenced attempt left stays", in: "complete_tasks",
      [
        (
          "UPDATE coremachine.ledger g SET state = 'DOOMED', doom_at = clock_timestamp(), updated_at = clock_timestamp()\n      FROM decided d WHERE g.task_id",
          "UPDATE coremachine.ledger g SET state = 'DOOMED', doom_at = clock_timestamp(), updated_at = clock_timestamp()\n      FROM decided d WHERE false AND g.task_id"
        )
      ],
      .things),
    // Wake-ups and the feed.
    Mutation(
      "a stage at 0 is not concluded", in: "complete_tasks",
      [("FILTER (WHERE c.remaining = 0)", "FILTER (WHERE false)")], .fanOut),
    Mutation(
      "a cancelled operation is not stopped", in: "cancel_operation",
      [("stopping = o.state <> 'INPUT_REQUIRED'", "stopping = false")], .chain),
    Mutation(
      "changes take no number", in: "touch", [("SET last = last + n", "SET last = last + 0")], .chain),
  ]

  /// Guards that another makes superfluous while nobody else acts between two statements: one transaction's own locks (see
  /// the interleavings), or a check before it. Taken out together with the other they show.
  static let redundant: [Mutation] = [
    Mutation(
      "end_operation does not look at the state", in: "end_operation", [("AND state = p_from", "")], .chain),
    Mutation(
      "plan_job does not look at the step", in: "plan_job", [("AND state = 'RUNNING' AND step = p_step - 1", "")],
      .chain),
  ]
}
