public import FramedRPC
public import TerraneMessages

extension ExitStatus {
  /// How a watched dataset ended; nil: it has not.
  public init?(_ status: Status) {
    switch status {
    case .ready, .updating, .deprecated: self = .ok
    case .failed, .cancelled, .deleted: self = .datasetFailed
    case .inputRequired: self = .inputRequired
    case .unspecified, .requested, .provisioning, .processing, .unrecognized: return nil
    }
  }

  /// What an error of a call means to a script: mend the request (2), try later (3), or look at what is there (4).
  public init(_ code: StatusCode) {
    switch code {
    case .ok: self = .ok
    case .notFound, .alreadyExists: self = .notFoundOrExists
    case .invalidArgument, .failedPrecondition, .outOfRange, .permissionDenied, .unauthenticated, .unimplemented:
      self = .badRequest
    case .cancelled, .unknown, .deadlineExceeded, .resourceExhausted, .aborted, .internal, .unavailable, .dataLoss:
      self = .unreachable
    }
  }
}
