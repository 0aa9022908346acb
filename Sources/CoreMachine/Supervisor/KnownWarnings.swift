internal import TaskProtocol

/// What a child has warned of so far. It may say anything, as often as it likes: what is kept is bounded.
struct KnownWarnings: Sendable {
  /// Most reasons.
  static let reasons = 200
  /// Most bytes of the examples beyond each reason's first line.
  static let bytes = 2 << 20

  private var known: [String: TaskWarning] = [:]
  private var bytes = 0

  /// In the order of their reasons.
  var all: [TaskWarning] { known.values.sorted { $0.reason < $1.reason } }

  /// False: there are too many reasons already.
  mutating func take(_ line: TaskWarning) -> Bool {
    let before = known[line.reason]
    guard before != nil || known.count < Self.reasons else { return false }
    let more = line.first == 0 ? 0 : line.examples.reduce(0) { $0 + Self.size($1) }
    guard bytes + more <= Self.bytes else {
      known[line.reason] = TaskWarning(reason: line.reason, count: line.count, examples: before?.examples ?? [])
      return true
    }
    bytes += more
    known[line.reason] = line.following(before)
    return true
  }

  /// About what it takes in memory and in the database.
  private static func size(_ example: WarningExample) -> Int {
    example.detail.utf8.count + (example.layer?.utf8.count ?? 0) + 32
  }
}
