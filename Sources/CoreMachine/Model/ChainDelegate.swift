public import PostgreSQL
public import TaskProtocol

/// Decides what follows a job, and which rows of others change with an operation. Pure functions: the same arguments give
/// the same answer, and they read neither clock nor database, because a batch that fails is computed again.
public protocol ChainDelegate: Sendable {
  /// The step after a finished job. A thrown error fails the operation; throw a `ProblemReport` to say how.
  func next(after job: FinishedJob, of operation: OperationView) throws -> ChainStep

  /// Rows to change in the transaction in which the operation moves: to RUNNING, FAILED or CANCELLED by the engine.
  /// SUCCEEDED has the effects of `ChainStep.publish`; moves by `coremachine.cancel_operation` are the caller's own.
  func effects(of transition: OperationTransition) -> [Effect]
}

/// What follows a job.
public enum ChainStep: Sendable {
  case job(NextJob, effects: [Effect] = [])
  /// The operation has done what it was for: SUCCEEDED, and these rows, in one transaction. Only after a job whose type
  /// has `publishes`.
  case publish(effects: [Effect])
  /// FAILED. The effects come before those of the transition.
  case fail(ProblemReport, effects: [Effect] = [])
}

/// The next job of a chain.
public struct NextJob: Sendable {
  public var type: String
  /// A JSON object.
  public var parameters: String
  /// Size of its input in bytes, for the time limit; 0: not known.
  public var inputBytes: Int64
  /// Given once, when the chain is planned.
  public var plan: ChainPlan?

  public init(type: String, parameters: String, inputBytes: Int64 = 0, plan: ChainPlan? = nil) {
    self.type = type
    self.parameters = parameters
    self.inputBytes = inputBytes
    self.plan = plan
  }
}

/// A planned chain.
public struct ChainPlan: Sendable {
  /// The delegate's own JSON; comes back in `OperationView.plan`.
  public var json: String
  /// One positive weight for each step, from step 1: what the whole's progress is computed from.
  public var stepWeights: [Double]

  public init(json: String, stepWeights: [Double]) {
    self.json = json
    self.stepWeights = stepWeights
  }
}

/// Rows to change with a move: a statement registered with the engine under a name, and its parameters.
public struct Effect: Sendable {
  public var statement: String
  public var parameters: [PGValue]

  public init(_ statement: String, _ parameters: [PGValue]) {
    self.statement = statement
    self.parameters = parameters
  }
}

/// An operation as a delegate sees it.
public struct OperationView: Sendable {
  public var id: Int64
  public var subject: Int64
  /// For instance `create`.
  public var kind: String
  public var retryOf: Int64?
  public var state: OperationState
  /// The delegate's own JSON, nil until the chain is planned.
  public var plan: String?
  /// The jobs that have succeeded, by step.
  public var jobs: [FinishedJob]

  public init(
    id: Int64, subject: Int64, kind: String, retryOf: Int64? = nil, state: OperationState, plan: String? = nil,
    jobs: [FinishedJob] = []
  ) {
    self.id = id
    self.subject = subject
    self.kind = kind
    self.retryOf = retryOf
    self.state = state
    self.plan = plan
    self.jobs = jobs
  }
}

/// A job that has succeeded.
public struct FinishedJob: Sendable, Equatable {
  /// Its number in the chain, from 1.
  public var step: Int
  public var type: String
  /// JSON.
  public var parameters: String
  /// The results of its last stage's tasks, JSON each, in their order.
  public var results: [String]

  public init(step: Int, type: String, parameters: String, results: [String]) {
    self.step = step
    self.type = type
    self.parameters = parameters
    self.results = results
  }
}

/// A move of an operation.
public struct OperationTransition: Sendable {
  /// As it was before the move.
  public var operation: OperationView
  public var from: OperationState
  public var to: OperationState
  /// Why, for FAILED.
  public var problem: ProblemReport?

  public init(operation: OperationView, from: OperationState, to: OperationState, problem: ProblemReport? = nil) {
    self.operation = operation
    self.from = from
    self.to = to
    self.problem = problem
  }
}

/// What an adopt hook works with. Where the connection is lost during COMMIT the hook runs again for the same attempt: it must
/// then find what it has done.
public struct AdoptionContext: Sendable {
  /// The fenced transaction. Everything in it is undone when the attempt turns out not to be current.
  public var transaction: PostgresTransaction
  public var taskID: Int64
  public var attempt: Int32
  public var operationID: Int64
  public var subject: Int64
  public var kind: String
  public var step: Int
  public var jobType: String
  public var stage: String
  /// The schema the child worked in, and the role that owns what it made there.
  public var stagingSchema: String?
  public var slotRole: String?
  public var scratchDirectory: String
  /// The task's parameters and the result it reported, JSON.
  public var parameters: String
  public var result: String

  public init(
    transaction: PostgresTransaction, taskID: Int64, attempt: Int32, operationID: Int64, subject: Int64, kind: String,
    step: Int, jobType: String, stage: String, stagingSchema: String?, slotRole: String?, scratchDirectory: String,
    parameters: String, result: String
  ) {
    self.transaction = transaction
    self.taskID = taskID
    self.attempt = attempt
    self.operationID = operationID
    self.subject = subject
    self.kind = kind
    self.step = step
    self.jobType = jobType
    self.stage = stage
    self.stagingSchema = stagingSchema
    self.slotRole = slotRole
    self.scratchDirectory = scratchDirectory
    self.parameters = parameters
    self.result = result
  }
}
