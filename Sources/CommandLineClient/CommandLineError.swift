/// Why a command could not be carried out, found on this side: no server was asked, or none answered.
public struct CommandLineError: Error, Sendable, Equatable, CustomStringConvertible {
  public var status: ExitStatus
  /// Stable, upper snake case, as the server's reasons.
  public var reason: String
  /// One sentence.
  public var message: String
  /// What to do about it; may have several lines.
  public var remedy: String

  public init(_ status: ExitStatus, _ reason: String, _ message: String, remedy: String = "") {
    self.status = status
    self.reason = reason
    self.message = message
    self.remedy = remedy
  }

  public var description: String { remedy.isEmpty ? message : message + "\n" + remedy }
}
