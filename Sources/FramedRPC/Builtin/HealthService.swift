internal import FramedCore
internal import FramedMessages
internal import Synchronization

/// Tells the built-in health service what works. Replace it with the application's own.
public protocol HealthSource: Sendable {
  /// Whether `service` ("" is the whole server) can do its work; `nil`: there is no such service. Answers from memory.
  func isServing(_ service: String) -> Bool?
  /// Calls `changed` after every change, from any thread, until the returned token is dropped.
  func subscribe(_ changed: @escaping @Sendable () -> Void) -> any AnyObject & Sendable
}

/// Says that everything in `services` works, always.
public struct AlwaysHealthy: HealthSource {
  private final class Token: Sendable {}
  private let services: Set<String>

  public init(services: [String] = []) {
    self.services = Set(services + [""])
  }

  public func isServing(_ service: String) -> Bool? { services.contains(service) ? true : nil }
  public func subscribe(_ changed: @escaping @Sendable () -> Void) -> any AnyObject & Sendable { Token() }
}

/// The methods of `grpc.health.v1.Health`.
public enum HealthMethods {
  public static let check = MethodDescriptor(name: "grpc.health.v1.Health/Check", idempotency: .idempotent)
  public static let watch = MethodDescriptor(
    name: "grpc.health.v1.Health/Watch", stream: .latest, idempotency: .idempotent)
}

/// `grpc.health.v1.Health`: Check answers from memory; Watch is a LATEST stream with one slot.
public final class HealthService: RPCService {
  private typealias Status = HealthCheckResponse.ServingStatus

  private struct Watched {
    var status: Status
    var seq: UInt64
    var streams: [UInt64: LatestStream<HealthCheckResponse>] = [:]
  }

  private struct State {
    /// Counts changes of every service.
    var seq: UInt64 = 0
    var nextWatcher: UInt64 = 0
    var services: [String: Watched] = [:]
    var subscription: (any AnyObject & Sendable)?
  }

  private let source: any HealthSource
  /// Drawn at start: numbers of an earlier run mean nothing.
  private let epoch = UInt64.random(in: 1...UInt64.max)
  private let state = Mutex(State())
  /// Held while values are handed to streams, so that they leave in the order of their numbers. Never taken inside
  /// ``state``.
  private let sending = Mutex(())

  public init(source: any HealthSource) {
    self.source = source
    let subscription = source.subscribe { [weak self] in self?.changed() }
    state.withLock { $0.subscription = subscription }
  }

  public func register(with router: inout RPCRouter) {
    router.unarySync(HealthMethods.check, HealthCheckRequest.self, HealthCheckResponse.self) { [self] request, _ in
      guard let serving = source.isServing(request.service) else {
        throw RPCError(.notFound, "no service \(request.service)")
      }
      return HealthCheckResponse(status: serving ? .serving : .notServing)
    }
    router.latest(HealthMethods.watch, HealthCheckRequest.self, HealthCheckResponse.self) {
      [self] request, context, stream in
      watch(request.service, context.resume, stream)
    }
  }

  private func status(_ service: String) -> Status {
    source.isServing(service).map { $0 ? .serving : .notServing } ?? .serviceUnknown
  }

  private func watch(_ service: String, _ resume: Resume?, _ stream: LatestStream<HealthCheckResponse>) {
    sending.withLock { _ in
      let (watcher, current, highest) = state.withLock { state in
        if state.services[service] == nil {
          state.seq += 1
          state.services[service] = Watched(status: status(service), seq: state.seq)
        }
        state.nextWatcher += 1
        state.services[service]?.streams[state.nextWatcher] = stream
        return (state.nextWatcher, state.services[service], state.seq)
      }
      stream.onEnd { [weak self] _ in self?.forget(service, watcher) }
      stream.begin(epoch: epoch)
      // Both were set above.
      guard let current else { return }
      let known = resume?.epoch == epoch && (resume?.afterSeq ?? 0) <= highest
      if !known { stream.beginSnapshot() }
      if !known || current.seq > resume?.afterSeq ?? 0 { send(current.status, current.seq, on: stream) }
      stream.bookmark(safeSeq: highest)
    }
  }

  private func forget(_ service: String, _ watcher: UInt64) {
    state.withLock { state in
      state.services[service]?.streams[watcher] = nil
      if state.services[service]?.streams.isEmpty == true { state.services[service] = nil }
    }
  }

  private func changed() {
    sending.withLock { _ in
      let changes = state.withLock { state in
        var changes: [Watched] = []
        for (service, watched) in state.services {
          let now = status(service)
          guard now != watched.status else { continue }
          state.seq += 1
          state.services[service]?.status = now
          state.services[service]?.seq = state.seq
          changes.append(Watched(status: now, seq: state.seq, streams: watched.streams))
        }
        return changes
      }
      for change in changes {
        for stream in change.streams.values { send(change.status, change.seq, on: stream) }
      }
    }
  }

  private func send(_ status: Status, _ seq: UInt64, on stream: LatestStream<HealthCheckResponse>) {
    stream.send(key: "", seq: seq, message: HealthCheckResponse(status: status))
  }
}
