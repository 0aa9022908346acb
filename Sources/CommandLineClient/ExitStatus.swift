/// How the command line ends; scripts rely on these numbers.
public enum ExitStatus: Int32, Sendable, CaseIterable {
  case ok = 0
  /// The dataset ended failed or cancelled.
  case datasetFailed = 1
  /// The request or the command line is wrong, or not allowed.
  case badRequest = 2
  /// No server, or one that cannot answer now.
  case unreachable = 3
  /// Not found, or exists already.
  case notFoundOrExists = 4
  /// The dataset waits for input.
  case inputRequired = 5
  /// Ctrl-C.
  case interrupted = 130
}
