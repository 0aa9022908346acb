/// What can be wrong with a line of the task protocol.
public enum TaskProtocolError: Error, Equatable {
  /// The line is longer than the limit, in bytes.
  case lineTooLong(limit: Int)
  /// Not JSON, or not a message of this protocol.
  case malformed(String)
  /// `type` is none this version knows.
  case unknownType(String)
  /// A value has no JSON form (a number that is not finite).
  case notEncodable(String)
}

/// Limits of the task protocol, in bytes.
public enum TaskProtocolLimits {
  /// Longest line a child may send; the supervisor ends a child that sends more.
  public static let reportLine = 64 * 1024
  /// Longest line a supervisor sends: the assignment, whose parameters may hold the column list of many layers.
  public static let assignmentLine = 16 * 1024 * 1024
  /// Largest file a child may hand its result over in (`TaskReport.completedInFile`).
  public static let resultFile = 16 * 1024 * 1024
}
