/// What a principal may do. A role includes everything the lower ones may: reader < editor < operator < admin.
public enum Role: String, Sendable, Codable, CaseIterable, Comparable {
  /// Reads records and watches them.
  case reader
  /// Creates, changes and deletes datasets.
  case editor
  /// Sees and steers the engine behind the datasets.
  case `operator`
  /// Everything.
  case admin

  public static func < (a: Role, b: Role) -> Bool { a.rank < b.rank }

  private var rank: Int {
    switch self {
    case .reader: 0
    case .editor: 1
    case .operator: 2
    case .admin: 3
    }
  }
}
