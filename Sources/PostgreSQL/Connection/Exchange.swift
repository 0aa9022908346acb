import Synchronization

/// What a session is asked to do, and who waits for it.
struct Request: Sendable {
  enum Work: Sendable {
    case acquire(begin: String)
    case release
    case statements([PostgresStatement], commits: Bool)
    case script(String)
    /// Replies as soon as the server takes data; the exchange stays until ``Session/endCopy(_:)``.
    case copy(String)

    var isAcquire: Bool { if case .acquire = self { true } else { false } }
  }

  /// Set before the session hears of a cancellation: it may hear of that before it hears of the request.
  final class Cancellation: Sendable {
    let flag = Atomic(false)
  }

  let identifier: UInt64
  /// The transaction it belongs to.
  let owner: UInt64?
  let work: Work
  let cancelled: Cancellation
  let continuation: CheckedContinuation<Result<[PGResult], PostgresError>, Never>

  func reply(_ result: Result<[PGResult], PostgresError>) { continuation.resume(returning: result) }
}

/// A request under way. Confined to its session.
final class Exchange {
  enum Step {
    /// Parameterless and not worth preparing: BEGIN, COMMIT, ROLLBACK.
    case plain(String)
    case statement(PostgresStatement)
  }

  /// What the server has yet to answer, in order.
  enum Expectation {
    case result(keep: Bool)
    case prepared(sql: String, name: String)
    case described(sql: String)
    case forgotten
    case synchronised
  }

  /// What follows the steps, outside pipeline mode.
  enum Tail {
    case script(String)
    case copy(String)
  }

  enum Phase {
    case pipeline
    case script
    case copyOpening
    case copying
    case copyEnding
  }

  let request: Request
  let steps: [Step]
  let tail: Tail?
  var phase = Phase.pipeline
  /// The first step that has not been sent.
  var next = 0
  var expected: [Expectation] = []
  var answered = 0
  var results: [PGResult] = []
  var error: PostgresError?
  var sent = false
  var commitSent = false
  var cancelRequested = false
  var retried = false
  /// libpq returns NULL between two commands' results; twice in a row means that it has lost count.
  var separators = 0

  init(_ request: Request, begin: String?) {
    self.request = request
    var steps: [Step] = begin.map { [.plain($0)] } ?? []
    var tail: Tail?
    switch request.work {
    case .acquire: break
    case .release: steps = [.plain("ROLLBACK")]
    case .statements(let statements, let commits):
      steps += statements.map(Step.statement)
      if commits { steps.append(.plain("COMMIT")) }
    case .script(let script): tail = .script(script)
    case .copy(let sql): tail = .copy(sql)
    }
    self.steps = steps
    self.tail = tail
  }

  var commits: Bool { if case .statements(_, commits: true) = request.work { true } else { false } }

  var nextExpected: Expectation? { answered < expected.count ? expected[answered] : nil }

  /// What the one who waits is told when the session is lost.
  func lossError(_ error: PostgresError) -> PostgresError {
    var error = error
    if commitSent {
      error.kind = .commitOutcomeUnknown
      error.mayHaveTakenEffect = true
    } else if error.kind == .connectionLost {
      error.mayHaveTakenEffect = request.owner == nil && sent
    }
    return error
  }
}

/// The statements prepared in one session, by their text.
struct StatementCache {
  struct Prepared {
    var name: String
    var types: [PGType.OID]
    var lastUse: UInt64
  }

  static let capacity = 256
  private var entries: [String: Prepared] = [:]
  private var uses: UInt64 = 0
  private var names: UInt64 = 0

  mutating func use(_ sql: String) -> Prepared? {
    guard let index = entries.index(forKey: sql) else { return nil }
    uses += 1
    entries.values[index].lastUse = uses
    return entries.values[index]
  }

  mutating func newName() -> String {
    names += 1
    return "terrane_\(names)"
  }

  mutating func remember(_ sql: String, name: String, types: [PGType.OID]) {
    uses += 1
    entries[sql] = Prepared(name: name, types: types, lastUse: uses)
  }

  /// Makes room for one more: returns the name of the statement the server is to forget.
  mutating func evict() -> String? {
    guard entries.count >= Self.capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })
    else { return nil }
    entries[oldest.key] = nil
    return oldest.value.name
  }

  mutating func removeAll() { entries = [:] }
}

extension String {
  /// Without white space at the ends, as libpq's messages have it.
  var trimmed: String {
    var text = self[...]
    while text.last?.isWhitespace == true { text.removeLast() }
    while text.first?.isWhitespace == true { text.removeFirst() }
    return String(text)
  }
}
