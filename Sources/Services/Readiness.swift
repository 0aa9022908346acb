public import FramedRPC
internal import Synchronization

/// What grpc.health.v1 answers: the whole server ("") is serving while every check holds; each check is a service of its own.
public final class Readiness: HealthSource {
  public struct Check: Sendable {
    public var name: String
    /// Whether it works now; must answer within a second or two.
    public var works: @Sendable () async -> Bool

    public init(name: String, works: @escaping @Sendable () async -> Bool) {
      self.name = name
      self.works = works
    }
  }

  private let checks: [Check]
  private let services: Set<String>
  private let state = Mutex(State())

  private struct State {
    var failing: Set<String> = []
    var watchers: [UInt64: @Sendable () -> Void] = [:]
    var next: UInt64 = 1
  }

  /// - Parameter services: full names of services that work while the whole server does.
  public init(checks: [Check], services: Set<String> = ["terrane.v1.DatasetService", "terrane.v1.AdminService"]) {
    self.checks = checks
    self.services = services
  }

  public func isServing(_ service: String) -> Bool? {
    state.withLock { state in
      if service.isEmpty || services.contains(service) { return state.failing.isEmpty }
      return checks.contains { $0.name == service } ? !state.failing.contains(service) : nil
    }
  }

  /// Each check, and whether it held when it was last looked at.
  var parts: [(name: String, isServing: Bool)] {
    let failing = state.withLock { $0.failing }
    return checks.map { ($0.name, !failing.contains($0.name)) }
  }

  public func subscribe(_ changed: @escaping @Sendable () -> Void) -> any AnyObject & Sendable {
    let id = state.withLock { state in
      state.watchers[state.next] = changed
      state.next += 1
      return state.next - 1
    }
    return Subscription { [weak self] in self?.state.withLock { $0.watchers[id] = nil } }
  }

  /// Checks every second, until the task is cancelled.
  public func run() async {
    while !Task.isCancelled {
      var failing: Set<String> = []
      for check in checks where await !check.works() { failing.insert(check.name) }
      let told = state.withLock { state -> [@Sendable () -> Void] in
        guard state.failing != failing else { return [] }
        state.failing = failing
        return Array(state.watchers.values)
      }
      for watcher in told { watcher() }
      try? await Task.sleep(for: .seconds(1))
    }
  }

  /// Ends the subscription when it is let go.
  private final class Subscription: Sendable {
    private let end: @Sendable () -> Void
    init(_ end: @escaping @Sendable () -> Void) { self.end = end }
    deinit { end() }
  }
}
