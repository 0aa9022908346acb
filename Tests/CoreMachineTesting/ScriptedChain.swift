public import CoreMachine
internal import PostgreSQL
internal import TaskProtocol

/// A chain that is written in the operation's kind: "probe,load,verify" runs these job types one after the other and then
/// publishes. What it did is in public.published and public.moves, so that tests can see effects commit with their moves.
public struct ScriptedChain: ChainDelegate {
  public init() {}

  public func next(after job: FinishedJob, of operation: OperationView) throws -> ChainStep {
    let chain = operation.kind.split(separator: ",").map(String.init)
    guard job.step < chain.count else {
      return .publish(effects: [
        Effect("publish", [.int64(operation.subject), .int64(operation.id), .text(job.results.joined(separator: ";"))])
      ])
    }
    let type = chain[job.step]
    if type == "refuse" {
      throw ProblemReport(reason: "REFUSED", message: "the chain does not go on", details: ["after": job.type])
    }
    if type == "broken" { return .job(NextJob(type: "probe", parameters: "{}"), effects: [Effect("broken", [])]) }
    let weights = chain.map { _ in 1.0 }
    return .job(
      NextJob(
        type: type, parameters: operation.jobs[0].parameters,
        plan: job.step == 1 ? ChainPlan(json: #"{"chain":"\#(operation.kind)"}"#, stepWeights: weights) : nil),
      effects: [Effect("step", [.int64(operation.id), .int64(Int64(job.step + 1))])])
  }

  public func effects(of transition: OperationTransition) -> [Effect] {
    [
      Effect(
        "move",
        [
          .int64(transition.operation.id), .text(transition.from.rawValue), .text(transition.to.rawValue),
          .optional(transition.problem?.reason),
        ])
    ]
  }

  /// The tables the effects write.
  public static let schema = """
    CREATE TABLE public.published (subject bigint, operation_id bigint UNIQUE, results text);
    CREATE TABLE public.moves (operation_id bigint, from_state text, to_state text, reason text);
    CREATE TABLE public.steps (operation_id bigint, step integer, UNIQUE (operation_id, step));
    """

  public static let statements = [
    "publish": "INSERT INTO public.published (subject, operation_id, results) VALUES ($1, $2, $3)",
    "move": "INSERT INTO public.moves (operation_id, from_state, to_state, reason) VALUES ($1, $2, $3, $4)",
    "step": "INSERT INTO public.steps (operation_id, step) VALUES ($1, $2)",
    "broken": "SELECT 1/0",
  ]

  /// Job types with every kind of fan-out.
  public static let jobTypes: [JobTypeDefinition] = [
    JobTypeDefinition(name: "probe", stages: [StageDefinition(name: "run", retry: quick)]),
    JobTypeDefinition(
      name: "load", stages: [StageDefinition(name: "run", retry: quick)], needsDatabase: true, adopt: { $0.result }),
    JobTypeDefinition(
      name: "count",
      stages: [
        StageDefinition(name: "many", fanOut: .count(parameter: "n"), retry: quick),
        StageDefinition(name: "sum", fanOut: .fanIn, retry: quick),
      ]),
    JobTypeDefinition(
      name: "each",
      stages: [
        StageDefinition(name: "list", retry: quick),
        StageDefinition(name: "elements", fanOut: .elements(member: "items"), retry: quick),
        StageDefinition(name: "again", fanOut: .perResult, retry: quick),
        StageDefinition(name: "all", fanOut: .fanIn, retry: quick),
      ]),
    JobTypeDefinition(
      name: "picky",
      stages: [
        StageDefinition(name: "list", retry: quick),
        StageDefinition(name: "elements", fanOut: .elements(member: "items"), minTasks: 1, retry: quick),
      ]),
    JobTypeDefinition(name: "verify", stages: [StageDefinition(name: "run", retry: quick)], publishes: true),
  ]

  private static let quick = RetryPolicy(maximumAttempts: 3, base: .milliseconds(20), cap: .milliseconds(100))
}
