#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif
internal import PostgreSQL
internal import TaskProtocol

extension ProblemReport {
  /// What the engine itself met while it prepared, adopted or completed an attempt: a reason of docs/errors.md, and whether a
  /// further attempt may get through.
  init(cause error: any Error) {
    switch error {
    case let problem as ProblemReport:
      self = problem
    case let error as PostgresError where error.isDiskFull:
      self.init(reason: "DISK_FULL", message: "The database has no space left: \(error)", transient: true)
    // Also where the outcome of a COMMIT is not known: a further attempt has names of its own, so nothing is done twice.
    case let error as PostgresError where error.isTransient || error.isConnectionFailure:
      self.init(reason: "DATABASE_UNAVAILABLE", message: "The database does not answer: \(error)", transient: true)
    case let error as CocoaError where error.code == .fileWriteOutOfSpace:
      self.init(reason: "DISK_FULL", message: "No space is left for scratch files: \(error)", transient: true)
    default:
      self.init(reason: "INTERNAL", message: "\(error)", transient: error is ProcessLauncher.SpawnFailure)
    }
  }
}
