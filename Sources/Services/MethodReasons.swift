internal import Datasets
internal import FramedRPC

/// Which reasons a call may be refused for: those that its method names in proto/, where docs/api.md has them from, and the
/// general ones.
enum MethodReasons {
  /// What any call may meet.
  static let general: Set<Reason> = [
    .invalidArgument, .permissionDenied, .overloaded, .databaseUnavailable, .internalError,
  ]

  static func allow(_ reason: Reason, _ method: MethodDescriptor) -> Bool {
    general.contains(reason) || method.reasons.contains(reason.name)
  }
}
