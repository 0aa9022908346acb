import CoreMachine
import CoreMachineTesting
import Foundation
import PostgreSQL
import Testing

@Suite struct TransitionTests {
  @Test func theSwiftTableIsTheDatabasesTable() async throws {
    let fixture = try await freshFixture()
    let rows = try await fixture.pool.query("SELECT resource, from_state, to_state, move FROM coremachine.transitions")
    var stored: [String: Set<Transition>] = [:]
    var texts: [String: Set<String>] = [:]
    for row in rows {
      texts[try row.text("resource"), default: []].insert(
        "\(try row.text("from_state"))>\(try row.text("to_state")):\(try row.text("move"))")
      stored[try row.text("resource"), default: []] = []
    }
    #expect(stored.count == StateMachine.all.count)
    for machine in StateMachine.all {
      #expect(texts[machine.resource] == Set(machine.transitions.map { "\($0.from)>\($0.to):\($0.move)" }))
    }
  }

  @Test func theDocumentIsWrittenFromTheTable() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "docs/state-machines.md")
    if ProcessInfo.processInfo.environment["TERRANE_WRITE_DOCS"] != nil {
      try StateMachine.document().write(to: path, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: path, encoding: .utf8) == StateMachine.document())
  }

  @Test func everyStateOfTheEnumsIsInTheTableAndNoOther() {
    func states(_ machine: StateMachine) -> Set<String> {
      Set(machine.transitions.flatMap { [$0.from, $0.to] }).subtracting(["NONE"])
    }
    #expect(states(.operation) == Set(OperationState.allCases.map(\.rawValue)))
    #expect(states(.job) == Set(StageState.allCases.map(\.rawValue)))
    #expect(states(.stage) == Set(StageState.allCases.map(\.rawValue)))
    #expect(states(.task) == Set(TaskState.allCases.map(\.rawValue)))
    #expect(states(.ledger) == Set(LedgerState.allCases.map(\.rawValue)))
    #expect(OperationState.allCases.filter(\.isTerminal) == [.succeeded, .failed, .cancelled])
    #expect(TaskState.allCases.filter(\.isTerminal) == [.succeeded, .failed, .cancelled])
  }

  /// Every pair of states, by plain UPDATE, whoever writes it.
  @Test func theDatabaseRefusesWhatTheTableDoesNotList() async throws {
    let fixture = try await freshFixture()
    let states = OperationState.allCases.map(\.rawValue)
    var subject: Int64 = 0
    for from in states {
      for to in states where to != from {
        subject += 1
        let id = try await fixture.pool.transaction { transaction -> Int64 in
          // Put into the state behind the trigger's back.
          try await transaction.execute(script: "SET LOCAL session_replication_role = replica")
          return try await transaction.query(
            """
            INSERT INTO coremachine.operations (subject, kind, state, ended_at)
            VALUES ($1, 'x', $2, CASE WHEN $2 IN ('SUCCEEDED', 'FAILED', 'CANCELLED') THEN now() END) RETURNING operation_id
            """, [.int64(subject), .text(from)]
          ).oneRow().int64("operation_id")
        }
        var refused: PostgresError?
        do {
          try await fixture.pool.query(
            """
            UPDATE coremachine.operations SET state = $2,
              ended_at = CASE WHEN $2 IN ('SUCCEEDED', 'FAILED', 'CANCELLED') THEN now() END WHERE operation_id = $1
            """, [.int64(id), .text(to)])
        } catch let error as PostgresError {
          refused = error
        }
        let legal = StateMachine.operation.allows(from: from, to: to)
        #expect((refused == nil) == legal, "\(from) to \(to): \(String(describing: refused))")
        if let refused { #expect(refused.constraint == "transition_operation") }
      }
    }
  }

  @Test func movesAreRecordedWithWhoMadeThem() async throws {
    let fixture = try await freshFixture()
    let engine = try await fixture.engine(slots: 0)
    let id = try await fixture.begin(subject: 1, kind: "probe,verify")
    try await fixture.pool.transaction { transaction in
      try await transaction.query("SELECT coremachine.acting_as('alice', 'changed her mind', 'r-1')")
      try await transaction.query("SELECT coremachine.cancel_operation($1)", [.int64(id)])
    }
    let event = try await fixture.text(
      """
      SELECT concat_ws(' ', from_state, to_state, actor, reason, request_id) FROM coremachine.events
      WHERE resource = 'operation' AND operation_id = $1 ORDER BY event_id DESC LIMIT 1
      """, [.int64(id)])
    #expect(event == "QUEUED CANCELLED alice changed her mind r-1")
    await engine.stop()
  }
}
