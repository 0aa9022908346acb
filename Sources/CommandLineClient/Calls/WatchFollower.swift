public import FramedRPC
public import ProtobufFacade
public import TerraneMessages

/// Follows a dataset's status over as many connections as it takes: a server that restarts costs a watcher a pause, nothing more.
public struct WatchFollower: Sendable {
  public typealias Event = WatchEvent<DatasetStatus>

  /// What happened besides events.
  public enum Notice: Sendable, Equatable {
    /// The server went away; said once an outage.
    case lost(reason: String, patience: Duration)
    /// It is back.
    case resumed
  }

  /// Opens a stream from a position, hands its events on, and returns when the server ended it with OK.
  public typealias Open = (
    _ from: WatchPosition?, _ receive: @escaping (Event) throws -> Void
  ) async throws -> Void

  /// How long an outage may last.
  public var patience: Duration
  public var clock: any Clock<Duration> = ContinuousClock()
  /// Between 0 and 1; the spread that keeps many watchers from coming back at once.
  public var jitter: @Sendable () -> Double = { Double.random(in: 0...1) }

  public init(patience: Duration) { self.patience = patience }

  /// Returns when the server says the watch is over.
  /// - Parameters:
  ///   - connected: a call was answered already, so that even the first stream may be waited for.
  ///   - receive: each event once, in rising order within an epoch.
  /// - Throws: what ended the watch for good: the outage outlasted the patience, or the error is not one of connections.
  public func run(
    from start: WatchPosition?, connected: Bool, open: Open, receive: @escaping (Event) throws -> Void,
    notice: @escaping (Notice) -> Void
  ) async throws {
    var track = WatchTrack(start)
    var connected = connected
    // How long the outage has been waited for; nil while the server answers.
    var outage: Duration?
    var delay = Self.firstDelay
    while true {
      let opened = ContinuousClock.now
      do {
        try await open(track.position) { event in
          connected = true
          if outage != nil {
            outage = nil
            notice(.resumed)
          }
          if track.isNews(event) { try receive(event) }
        }
        return
      } catch {
        guard connected, Self.isTransient(error) else { throw error }
        if ContinuousClock.now - opened >= .seconds(10) { delay = Self.firstDelay }
        let waited = outage ?? .zero
        guard waited < patience else { throw error }
        if outage == nil {
          notice(.lost(reason: Failure(error).problem.message, patience: patience))
        }
        let spread = delay * (0.8 + 0.4 * jitter())
        let pause = min(max(spread, (error as? RPCError)?.retryAfter ?? .zero), patience - waited)
        outage = waited + pause
        delay = min(delay * 1.6, .seconds(5))
        try await clock.sleep(for: pause)
      }
    }
  }

  private static let firstDelay = Duration.milliseconds(200)

  /// Errors that another connection may not have.
  static func isTransient(_ error: any Error) -> Bool {
    switch error {
    case let error as RPCError: error.code == .unavailable
    case let error as RuntimeError: error.kind == .connect || error.kind == .handshake
    case let error as CommandLineError: error.status == .unreachable
    default: false
    }
  }
}

/// How far a watch has come.
struct WatchTrack {
  /// From here it goes on without loss.
  private(set) var position: WatchPosition?
  private var newest: (epoch: UInt64, seq: UInt64)?

  init(_ start: WatchPosition?) { position = start }

  /// Notes the event's position. False: a bookmark, or a value that is known already.
  mutating func isNews(_ event: WatchFollower.Event) -> Bool {
    if let safe = event.safeSeq ?? (event.isBookmark ? nil : event.seq) {
      let isSameEpoch = position?.epoch == event.epoch
      position = WatchPosition(epoch: event.epoch, seq: isSameEpoch ? max(position?.seq ?? 0, safe) : safe)
    }
    guard !event.isBookmark else { return false }
    if let newest, newest.epoch == event.epoch, event.seq <= newest.seq { return false }
    newest = (event.epoch, event.seq)
    return true
  }
}

extension WatchEvent<DatasetStatus> {
  /// `{"seq":…,"epoch":"…","safe_seq":…,"snapshot":…,"status":{…}}`: `--after EPOCH:SAFE_SEQ` goes on behind it.
  /// The epoch is a string: it has 64 bits, and most readers of JSON keep 53 of a number.
  public var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init("seq", JSONValue(seq)), .init("epoch", .string(String(epoch))),
      .init("safe_seq", JSONValue(safeSeq ?? seq)),
      .init("snapshot", .bool(snapshot)),
    ]
    if removed { members.append(.init("removed", .bool(true))) }
    if let message { members.append(.init("status", message.jsonObject())) }
    return .object(members)
  }
}
