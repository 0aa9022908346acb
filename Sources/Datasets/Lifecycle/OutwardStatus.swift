public import CoreMachine

/// What a client sees of a dataset: a total function of dataset state and operation (domain design, section 3).
public enum OutwardStatus: String, Sendable, Codable, CaseIterable {
  case requested, provisioning, processing, ready, updating, inputRequired, failed, cancelled, deprecated, deleted

  /// - Parameters:
  ///   - operation: the active operation, else the last; a draft always has one.
  ///   - isPlanned: whether the operation's chain is planned (the probe is over).
  public init(dataset: DatasetState, operation: OperationState?, isPlanned: Bool) {
    self =
      switch (dataset, operation) {
      case (.purged, _), (.purging, _), (.deleted, _): .deleted
      case (.draft, .inputRequired): .inputRequired
      case (.draft, .queued), (.draft, nil): .requested
      case (.draft, .running), (.draft, .cancelling): isPlanned ? .processing : .provisioning
      case (.draft, .failed): .failed
      case (.draft, .cancelled): .cancelled
      // Publishing and SUCCEEDED are one transaction, so this pair exists nowhere; a reader that meets it all the same
      // shows work under way rather than inventing data.
      case (.draft, .succeeded): .processing
      case (.published, .inputRequired): .inputRequired
      case (.published, .queued), (.published, .running), (.published, .cancelling): .updating
      case (.published, _): .ready
      case (.deprecated, _): .deprecated
      }
  }

  /// True where nothing more happens by itself.
  public var isTerminal: Bool {
    switch self {
    case .ready, .failed, .cancelled, .deprecated, .deleted: true
    case .requested, .provisioning, .processing, .updating, .inputRequired: false
    }
  }
}
