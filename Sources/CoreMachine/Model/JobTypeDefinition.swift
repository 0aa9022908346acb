internal import TaskProtocol

/// What the engine knows of a kind of job: its stages, how each fans out, and what to do when a task reports success.
public struct JobTypeDefinition: Sendable {
  /// For instance `ingest_vector`.
  public var name: String
  /// Tasks carry it; a worker claims only tasks of versions it has.
  public var handlerVersion: Int
  /// In order, at least one. The first stage of a type that begins operations is `.single`.
  public var stages: [StageDefinition]
  /// The completion of such a job may publish: it runs on the publishing connection, one at a time.
  public var publishes: Bool
  /// Whether its tasks get a staging schema and a login of their own.
  public var needsDatabase: Bool
  /// Things on this machine that an attempt's adoption will make: named in the ledger, and committed, before it begins.
  public var intends: (@Sendable (AttemptIdentity) -> [LedgerIntent])?
  /// Runs after a task reported success and before it is marked done, in one transaction fenced by (task, attempt): takes
  /// over what the child made and writes ledger rows PRESENT (`coremachine.ledger_present`, before the DDL it speaks of).
  /// Answers the result to store. May run again for a later attempt, so it replaces what it finds under its names.
  /// A thrown `ProblemReport` fails the task with it.
  public var adopt: (@Sendable (AdoptionContext) async throws -> String)?

  public init(
    name: String, handlerVersion: Int = 1, stages: [StageDefinition] = [StageDefinition(name: "run")],
    publishes: Bool = false, needsDatabase: Bool = false,
    intends: (@Sendable (AttemptIdentity) -> [LedgerIntent])? = nil,
    adopt: (@Sendable (AdoptionContext) async throws -> String)? = nil
  ) {
    precondition(!stages.isEmpty, "a job type has at least one stage")
    self.name = name
    self.handlerVersion = handlerVersion
    self.stages = stages
    self.publishes = publishes
    self.needsDatabase = needsDatabase
    self.intends = intends
    self.adopt = adopt
  }

  /// `ingest_vector/1`: what tasks of the type carry.
  var handler: String { "\(name)/\(handlerVersion)" }
}

/// One attempt of one task: names of what it makes come from it.
public struct AttemptIdentity: Sendable, Equatable {
  public var subject: Int64
  public var operationID: Int64
  public var taskID: Int64
  public var attempt: Int32

  public init(subject: Int64, operationID: Int64, taskID: Int64, attempt: Int32) {
    self.subject = subject
    self.operationID = operationID
    self.taskID = taskID
    self.attempt = attempt
  }
}

/// A thing that may exist from now on.
public struct LedgerIntent: Sendable, Equatable {
  public var kind: String
  public var identifier: String

  public init(kind: String, identifier: String) {
    self.kind = kind
    self.identifier = identifier
  }
}

/// One stage of a job type.
public struct StageDefinition: Sendable {
  public var name: String
  public var fanOut: FanOut
  /// With fewer tasks the stage fails with `NO_INPUT`; 0: a stage without tasks is complete.
  public var minTasks: Int
  public var retry: RetryPolicy
  /// A child that reports nothing for this long is killed, and the task is retried.
  public var silenceLimit: Duration
  public var timeLimit: TimeLimit
  /// Shares of the task's phases in its progress, in order; empty: each report's done/total is the task's progress.
  public var phases: [PhaseWeight]

  public init(
    name: String, fanOut: FanOut = .single, minTasks: Int = 0, retry: RetryPolicy = RetryPolicy(),
    silenceLimit: Duration = .seconds(60), timeLimit: TimeLimit = TimeLimit(), phases: [PhaseWeight] = []
  ) {
    self.name = name
    self.fanOut = fanOut
    self.minTasks = minTasks
    self.retry = retry
    self.silenceLimit = silenceLimit
    self.timeLimit = timeLimit
    self.phases = phases
  }
}

/// A phase's share of a task.
public struct PhaseWeight: Sendable {
  public var phase: String
  public var weight: Double

  public init(_ phase: String, _ weight: Double) {
    self.phase = phase
    self.weight = weight
  }
}

/// How many tasks a stage has, and what each is given.
///
/// Except for `single` and `custom`, a task's parameters are an envelope `{"job": <the job's parameters>, "index": i,
/// "count": n}` with `input` (one result or element) or `inputs` (all results).
public enum FanOut: Sendable {
  /// One task with the job's parameters as they are.
  case single
  /// As many as the integer member of the job's parameters says.
  case count(parameter: String)
  /// One for each result of the stage before.
  case perResult
  /// One for each element of the array member of each result of the stage before.
  case elements(member: String)
  /// One with all results of the stage before.
  case fanIn
  /// Anything else. A pure function.
  case custom(@Sendable (StageInput) throws -> [TaskSpec])

  /// Most tasks of a stage; more is a problem, `TOO_MANY_TASKS`.
  public static let maximumTasks = 10_000
}

/// What a fan-out is computed from.
public struct StageInput: Sendable {
  /// The job's parameters, JSON.
  public var jobParameters: String
  /// The results of the stage before, JSON each, in the order of its tasks; empty for a first stage.
  public var results: [String]

  public init(jobParameters: String, results: [String]) {
    self.jobParameters = jobParameters
    self.results = results
  }
}

/// One task to be.
public struct TaskSpec: Sendable, Equatable {
  /// A JSON object.
  public var parameters: String
  /// Size of its input in bytes, for the time limit; 0: not known.
  public var inputBytes: Int64

  public init(parameters: String, inputBytes: Int64 = 0) {
    self.parameters = parameters
    self.inputBytes = inputBytes
  }
}

/// When a transient failure is tried again: after `base` · 2ⁿ, at most `cap`, give or take the jitter.
public struct RetryPolicy: Sendable {
  /// Tries altogether that may fail; a lost lease does not count.
  public var maximumAttempts: Int
  public var base: Duration
  public var cap: Duration
  /// 0.2: each delay is multiplied by a random factor of 0.8 to 1.2.
  public var jitter: Double

  public init(
    maximumAttempts: Int = 4, base: Duration = .seconds(2), cap: Duration = .seconds(300), jitter: Double = 0.2
  ) {
    self.maximumAttempts = maximumAttempts
    self.base = base
    self.cap = cap
    self.jitter = jitter
  }

  /// The delay before the next try, or nil when there is none.
  /// - Parameters:
  ///   - failures: Tries that have failed, this one included.
  ///   - random: In 0..<1.
  public func delay(afterFailures failures: Int, random: Double) -> Duration? {
    guard failures < maximumAttempts else { return nil }
    let doubled = base * (1 << min(20, max(0, failures - 1)))
    return min(doubled, cap) * (1 - jitter + 2 * jitter * random)
  }
}

/// How long an attempt may take: grows with its input.
public struct TimeLimit: Sendable {
  public var base: Duration
  public var perByte: Duration
  /// Assumed where the size of the input is not known.
  public static let assumedBytes: Int64 = 100 << 20

  /// Half an hour and 2 µs a byte (2 s/MB).
  public init(base: Duration = .seconds(1800), perByte: Duration = .microseconds(2)) {
    self.base = base
    self.perByte = perByte
  }

  public func limit(bytes: Int64) -> Duration {
    base + perByte * Double(bytes > 0 ? bytes : Self.assumedBytes)
  }
}
