/// One legal move of a resource's state.
public struct Transition: Sendable, Hashable {
  /// `NONE` where the resource begins.
  public let from: String
  public let to: String
  /// The verb of the domain.
  public let move: String

  init(_ from: String, _ to: String, _ move: String) {
    self.from = from
    self.to = to
    self.move = move
  }
}

/// The legal moves of one resource.
///
/// The same rows are in `sql/0002_coremachine_model.sql`, from which the database's triggers are written, and in
/// `docs/state-machines.md`, which is written from here. A test compares all three.
public struct StateMachine: Sendable {
  public let resource: String
  public let transitions: [Transition]

  /// The moves that lead out of `state`; none for a terminal one.
  public func legalMoves(from state: String) -> [Transition] { transitions.filter { $0.from == state } }

  /// Whether the move is legal.
  public func allows(from: String, to: String) -> Bool { transitions.contains { $0.from == from && $0.to == to } }

  public static let all: [StateMachine] = [operation, job, stage, task, ledger]

  public static let operation = StateMachine(
    resource: "operation",
    transitions: [
      Transition("NONE", "QUEUED", "begin"),
      Transition("QUEUED", "RUNNING", "start"),
      Transition("QUEUED", "CANCELLED", "cancel"),
      Transition("RUNNING", "INPUT_REQUIRED", "ask"),
      Transition("RUNNING", "CANCELLING", "cancel"),
      Transition("RUNNING", "SUCCEEDED", "publish"),
      Transition("RUNNING", "FAILED", "fail"),
      Transition("INPUT_REQUIRED", "QUEUED", "provide_input"),
      Transition("INPUT_REQUIRED", "CANCELLED", "cancel"),
      Transition("INPUT_REQUIRED", "FAILED", "expire_input"),
      Transition("CANCELLING", "CANCELLED", "stop"),
    ])

  public static let job = StateMachine(
    resource: "job",
    transitions: [
      Transition("NONE", "QUEUED", "plan"),
      Transition("NONE", "SUCCEEDED", "carry_over"),
      Transition("QUEUED", "RUNNING", "start"),
      Transition("QUEUED", "SUCCEEDED", "complete"),
      Transition("QUEUED", "FAILED", "fail"),
      Transition("QUEUED", "CANCELLED", "cancel"),
      Transition("RUNNING", "SUCCEEDED", "complete"),
      Transition("RUNNING", "FAILED", "fail"),
      Transition("RUNNING", "CANCELLED", "cancel"),
    ])

  public static let stage = StateMachine(
    resource: "stage",
    transitions: [
      Transition("NONE", "QUEUED", "plan"),
      Transition("NONE", "SUCCEEDED", "skip_empty"),
      Transition("NONE", "FAILED", "refuse_empty"),
      Transition("QUEUED", "RUNNING", "start"),
      Transition("QUEUED", "CANCELLED", "cancel"),
      Transition("RUNNING", "SUCCEEDED", "complete"),
      Transition("RUNNING", "FAILED", "fail"),
      Transition("RUNNING", "CANCELLED", "cancel"),
    ])

  public static let task = StateMachine(
    resource: "task",
    transitions: [
      Transition("NONE", "QUEUED", "plan"),
      Transition("QUEUED", "RUNNING", "claim"),
      Transition("QUEUED", "CANCELLED", "cancel"),
      Transition("WAITING", "QUEUED", "fall_due"),
      Transition("WAITING", "CANCELLED", "cancel"),
      Transition("RUNNING", "SUCCEEDED", "complete"),
      Transition("RUNNING", "FAILED", "fail"),
      Transition("RUNNING", "WAITING", "retry"),
      Transition("RUNNING", "QUEUED", "requeue"),
      Transition("RUNNING", "CANCELLED", "cancel"),
    ])

  public static let ledger = StateMachine(
    resource: "ledger",
    transitions: [
      Transition("NONE", "INTENT", "intend"),
      Transition("NONE", "PRESENT", "adopt"),
      Transition("INTENT", "PRESENT", "complete"),
      Transition("INTENT", "DOOMED", "doom"),
      Transition("PRESENT", "LIVE", "publish"),
      Transition("PRESENT", "DOOMED", "doom"),
      Transition("LIVE", "DOOMED", "doom"),
      Transition("DOOMED", "GONE", "collect"),
    ])
}

extension StateMachine {
  /// docs/state-machines.md.
  public static func document() -> String {
    var text = """
      # State machines of CoreMachine

      Generated from Sources/CoreMachine/Model/Transitions.swift. The database refuses every other move
      (sql/0003_coremachine_transitions.sql), and records each move in coremachine.events.

      """
    for machine in all {
      text += "\n## \(machine.resource.prefix(1).uppercased() + machine.resource.dropFirst())\n\n"
      text += "```mermaid\nstateDiagram-v2\n"
      for transition in machine.transitions {
        let from = transition.from == "NONE" ? "[*]" : transition.from
        text += "  \(from) --> \(transition.to): \(transition.move)\n"
      }
      var seen: Set<String> = []
      for state in machine.transitions.map(\.to) where machine.legalMoves(from: state).isEmpty {
        if seen.insert(state).inserted { text += "  \(state) --> [*]\n" }
      }
      text += "```\n"
    }
    return text
  }
}
