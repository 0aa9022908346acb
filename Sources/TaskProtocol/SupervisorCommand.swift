/// What a supervisor writes after the assignment. End of file means: exit at once.
public enum SupervisorCommand: Sendable, Equatable {
  /// Stop, report `CANCELLED`, leave. A child that has not left soon after is killed.
  case cancel

  private struct Wire: Codable { var type: String }

  /// The command as one line, newline included.
  public func line() throws(TaskProtocolError) -> [UInt8] { try JSONText.encodeBytes(Wire(type: "cancel")) + [0x0A] }

  /// Reads a line, with or without its newline.
  public init(line: [UInt8]) throws(TaskProtocolError) {
    let wire = try JSONText.decode(Wire.self, fromBytes: line)
    guard wire.type == "cancel" else { throw .unknownType(wire.type) }
    self = .cancel
  }
}
