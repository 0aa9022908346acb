internal import CoreMachine
internal import Datasets
internal import FramedMessages
internal import FramedRPC
internal import PostgreSQL
internal import ProtobufFacade
internal import TerraneMessages

extension TerraneMessages.Problem {
  init(_ problem: Datasets.Problem) {
    self.init(
      reason: problem.reason.name, category: Category(problem.category), message: problem.message,
      userFixable: problem.isUserFixable, remedy: problem.remedy, location: ProblemLocation(problem.location),
      details: problem.details)
  }
}

extension TerraneMessages.Problem.Category {
  fileprivate init(_ category: Datasets.Problem.Category) {
    self =
      switch category {
      case .request: .request
      case .source: .source
      case .data: .data
      case .state: .state
      case .resource: .resource
      case .system: .system
      case .permission: .permission
      }
  }
}

extension ProblemLocation {
  fileprivate init?(_ location: Datasets.Problem.Location) {
    if location == Datasets.Problem.Location() { return nil }
    self.init(
      layer: location.layer ?? "", feature: location.feature, byte: location.byte, field: location.field ?? "")
  }
}

extension RPCError {
  /// A problem as a call's error: the status code of its reason, and the whole problem with its remedy as details.
  init(_ problem: Datasets.Problem) {
    let wire = TerraneMessages.Problem(problem)
    self.init(
      problem.reason.statusCode, problem.message,
      details: [
        ErrorDetail(typeURL: "type.googleapis.com/terrane.v1.Problem", value: wire.protobufBytes()),
        ErrorDetail(
          typeURL: "type.googleapis.com/google.rpc.ErrorInfo",
          value: ErrorInfo(reason: problem.reason.name, domain: "terrane", metadata: problem.details).protobufBytes()),
      ],
      retryAfter: problem.reason.isTransient ? .seconds(1) : nil)
  }

  /// Whatever a handler threw, as an error a caller may see. What is not meant for callers becomes INTERNAL.
  init(anything error: any Error) {
    switch error {
    case let error as RPCError: self = error
    case let problem as Datasets.Problem: self.init(problem)
    case let overload as PostgresError where overload.kind == .overloaded:
      self.init(Datasets.Problem(.overloaded, "more requests wait than the server holds"))
      refused = true
    case let failure as PostgresError:
      // Never REFUSED: a commit whose answer was lost may have taken effect.
      if failure.isDiskFull {
        self.init(Datasets.Problem(.diskFull, "the database has no space left"))
      } else if failure.isConnectionFailure || failure.isTransient {
        self.init(Datasets.Problem(.databaseUnavailable, "the database does not answer"))
      } else {
        self.init(Datasets.Problem(.internalError, "the database refused a statement"))
      }
    case is CancellationError: self.init(.cancelled, "the call was cancelled")
    default: self.init(Datasets.Problem(.internalError, "an error nobody foresaw"))
    }
  }
}

extension Reason {
  /// gRPC's status for a refused call.
  var statusCode: StatusCode {
    switch self {
    case .datasetNotFound: .notFound
    case .datasetExists, .datasetDeleted: .alreadyExists
    case .illegalMove, .datasetHasDependents: .failedPrecondition
    case .overloaded, .databaseUnavailable: .unavailable
    case .diskLow: .resourceExhausted
    case .permissionDenied: .permissionDenied
    case .optionUnsupported, .datasetTypeUnsupported: .unimplemented
    default:
      switch entry.category {
      case .request, .source, .data: .invalidArgument
      case .state: .failedPrecondition
      case .resource: .resourceExhausted
      case .permission: .permissionDenied
      case .system: .internal
      }
    }
  }

  var isTransient: Bool { self == .overloaded || self == .databaseUnavailable }
}
