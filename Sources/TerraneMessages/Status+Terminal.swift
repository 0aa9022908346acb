extension Status {
  /// Whether nothing more happens to the dataset by itself. A status this version does not know is not terminal.
  public var isTerminal: Bool {
    switch self {
    case .ready, .failed, .cancelled, .deprecated, .deleted: true
    case .unspecified, .requested, .provisioning, .processing, .updating, .inputRequired, .unrecognized: false
    }
  }
}
