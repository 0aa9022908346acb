internal import TaskProtocol

/// A move of an operation, job or task that this engine made, and that is committed.
///
/// `coremachine.events` has every move, written in the very transaction; this is for those who want to hear of them at once,
/// such as a log.
public struct EngineEvent: Sendable, Equatable {
  public enum Resource: String, Sendable, CaseIterable {
    case operation, job, task

    var machine: StateMachine {
      switch self {
      case .operation: .operation
      case .job: .job
      case .task: .task
      }
    }
  }

  public var resource: Resource
  /// States as in `StateMachine`.
  public var from: String
  public var to: String
  public var subject: Int64
  public var operation: Int64
  /// The job's number in the chain, from 1, and its type.
  public var step: Int?
  public var jobType: String?
  public var task: Int64?
  public var attempt: Int32?
  /// Of a failure, a retry or a lost lease.
  public var reason: String?
  /// From the claim to the end of an attempt.
  public var duration: Duration?

  public init(
    resource: Resource, from: String, to: String, subject: Int64, operation: Int64, step: Int? = nil,
    jobType: String? = nil, task: Int64? = nil, attempt: Int32? = nil, reason: String? = nil, duration: Duration? = nil
  ) {
    self.resource = resource
    self.from = from
    self.to = to
    self.subject = subject
    self.operation = operation
    self.step = step
    self.jobType = jobType
    self.task = task
    self.attempt = attempt
    self.reason = reason
    self.duration = duration
  }

  /// The verb of the move, `publish`; empty for one that is not legal, which the database would have refused.
  public var move: String {
    resource.machine.transitions.first { $0.from == from && $0.to == to }?.move ?? ""
  }
}

/// Hears of moves after their transaction has been committed: once each, never of one that was rolled back.
///
/// Whoever dies between the commit and this call, or does not learn whether a commit took effect, says nothing: at most once.
/// The calls come from where the engine works, so they must not wait for anything.
public protocol EngineObserver: Sendable {
  /// - Parameter events: of one transaction, in the order of the chain.
  func committed(_ events: [EngineEvent])
}

/// Nobody.
public struct NoEngineObserver: EngineObserver {
  public init() {}
  public func committed(_ events: [EngineEvent]) {}
}

extension EngineEvent {
  /// The operation's and its jobs' share of what follows a stage. Stages say nothing that a job's or a task's move does not,
  /// and a job that is cancelled says nothing that its operation does not.
  static func of(_ moves: [Move], after stage: ConcludedStage) -> [EngineEvent] {
    var types = [stage.step: stage.jobType]
    func event(_ resource: Resource, _ from: String, _ to: String, step: Int, reason: String?) -> EngineEvent {
      EngineEvent(
        resource: resource, from: from, to: to, subject: stage.operation.subject, operation: stage.operation.id,
        step: step, jobType: types[step], reason: reason)
    }
    return moves.compactMap { move in
      switch move {
      case .planJob(_, let step, let type, _):
        types[step] = type.name
        return event(.job, "NONE", StageState.queued.rawValue, step: step, reason: nil)
      case .endJob(_, let step, let state, _, let problem) where state != .cancelled:
        // A job that was planned a moment ago and ends already had nothing to do, or could not be planned further.
        let from: StageState = step == stage.step ? .running : .queued
        return event(.job, from.rawValue, state.rawValue, step: step, reason: problem?.reason)
      case .endOperation(_, let from, let to, let problem):
        return event(
          .operation, from.rawValue, to.rawValue, step: types.keys.max() ?? stage.step, reason: problem?.reason)
      case .planStage, .refuseStage, .endJob, .effect, .touch:
        return nil
      }
    }
  }
}
