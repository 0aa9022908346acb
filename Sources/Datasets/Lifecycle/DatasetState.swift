/// The states of one generation of one version. Moves are the rows of `transitions`, the one table that Swift's checks, the
/// database's trigger (datasets.transitions) and the documented diagram are held against.
public enum DatasetState: String, Sendable, Codable, CaseIterable {
  case draft = "DRAFT"
  case published = "PUBLISHED"
  case deprecated = "DEPRECATED"
  case deleted = "DELETED"
  case purging = "PURGING"
  case purged = "PURGED"

  /// Named calls that move a dataset.
  public enum Move: String, Sendable, CaseIterable {
    case publish, delete, deprecate, reinstate, undelete, purge
    case finishPurge = "finish_purge"
  }

  public struct Transition: Sendable, Hashable {
    public let from: DatasetState
    public let to: DatasetState
    public let move: Move
  }

  public static let transitions: [Transition] = [
    Transition(from: .draft, to: .published, move: .publish),
    Transition(from: .draft, to: .deleted, move: .delete),
    Transition(from: .published, to: .deprecated, move: .deprecate),
    Transition(from: .published, to: .deleted, move: .delete),
    Transition(from: .deprecated, to: .published, move: .reinstate),
    Transition(from: .deprecated, to: .deleted, move: .delete),
    Transition(from: .deleted, to: .draft, move: .undelete),
    Transition(from: .deleted, to: .published, move: .undelete),
    Transition(from: .deleted, to: .deprecated, move: .undelete),
    Transition(from: .deleted, to: .purging, move: .purge),
    Transition(from: .purging, to: .purged, move: .finishPurge),
  ]

  /// The moves that are legal from here, for messages.
  public var legalMoves: [Move] {
    var seen: Set<Move> = []
    return Self.transitions.filter { $0.from == self && seen.insert($0.move).inserted }.map(\.move)
  }

  /// True where the data is served.
  public var isServed: Bool { self == .published || self == .deprecated }
}
