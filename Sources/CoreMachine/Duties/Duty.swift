/// Work that has to be done again and again, or until it is done: a row claimed like a task, so that one engine at a time
/// does it and another takes over when that one dies.
public struct DutyDefinition: Sendable {
  public var kind: String
  /// Runs for ever at this interval under the key ""; nil: runs for the rows `coremachine.schedule_duty` makes.
  public var every: Duration?
  /// Must be able to run again from any point, and to end within the duty lease: answer `.again` when more is left.
  public var run: @Sendable (DutyContext) async throws -> DutyOutcome

  public init(
    kind: String, every: Duration? = nil, run: @escaping @Sendable (DutyContext) async throws -> DutyOutcome
  ) {
    self.kind = kind
    self.every = every
    self.run = run
  }
}

/// The row a duty runs for.
public struct DutyContext: Sendable {
  public var key: String
  /// JSON.
  public var payload: String
  /// Tries that have failed in a row.
  public var failures: Int
}

public enum DutyOutcome: Sendable {
  /// The row goes; a duty with an interval comes back after it.
  case done
  /// Not done: again after this.
  case again(after: Duration)
}
