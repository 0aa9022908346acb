internal import FramedMessages
internal import ProtobufFacade

/// The server's side of one connection, without sockets, clocks or TLS: plaintext in, calls on the delegate and
/// plaintext out.
///
/// The driver appends to ``input`` and calls ``processInput()``; it sends what ``fill()`` leaves in ``output``; it calls
/// ``advance()`` at ``nextTimer``. It sets ``now`` before each. All on one thread.
package final class ServerConnection {
  enum Phase {
    case preface
    case hello
    case open
    /// Nothing is read any more; what is in the output is flushed, then the connection closes.
    case closing
  }

  private let shared: SharedSettings
  package var settings: ServerSettings {
    @inline(__always) get { shared.value }
  }
  package let input = ByteQueue()
  package let output = ByteQueue()
  /// Set by the driver, which outlives this object: it owns it.
  /// Unsafe: the owner lives longer, and counting references on each call is a tenth of what the core does for it.
  package unowned(unsafe) let delegate: any ServerConnectionDelegate
  /// Monotonic; set by the driver before it calls anything.
  package var now: Nanoseconds

  package internal(set) var streams: [UInt32: ServerStream] = [:]
  /// The earliest time ``advance()`` has something to do; may be early, never late.
  package internal(set) var nextTimer = Nanoseconds.never
  package internal(set) var peer = PeerSettings.floors
  /// Why we ended the connection, for logs.
  package internal(set) var violation: ConnectionViolation?

  /// Frames were left in ``input`` because of ``wantsRead``; ``processInput()`` goes on with them.
  package private(set) var stoppedReading = false

  var phase = Phase.preface
  var highestStream: UInt32 = 0
  var dataAfterLast = 0
  var peerGoaway = false
  var draining = false
  var drainEnd = Nanoseconds.never
  /// When the certificate behind the connection expires.
  var credentialsEnd = Nanoseconds.never
  /// When the connection has lived long enough.
  var ageEnd = Nanoseconds.never
  var helloDeadline: Nanoseconds

  // Life signs.
  var lastReceived: Nanoseconds
  var pingSentAt: Nanoseconds = 0
  var pingInFlight = false
  var lastPeerPing: Nanoseconds?
  var earlyPingTimes: [Nanoseconds] = []
  var idleSince: Nanoseconds
  let abuse: AbuseBucket?
  var frameClock = FrameClock()
  private var framesRead = 0
  var metaMemory = CallMetaReader.Memory()
  /// Of the call before.
  var lastHead: CallHead?
  var answer = InlineAnswer.none

  // Replies are state, not a queue.
  var pingAck: UInt64?
  var pingDue = false
  var controlQueue: [ServerStream] = []
  var refusals: [(id: UInt32, status: EndStatus)] = []
  var readyQueue: [ServerStream] = []
  var readyHead = 0
  /// Groups whose newest value has not reached each of their streams.
  var groupQueue: [LatestGroup] = []

  /// Bytes of incomplete requests that were announced.
  var reservedBytes = 0
  /// Bytes of messages that wait whole on QUEUE and BLOCK streams.
  var queuedBytes = 0
  /// Randomness for the drain, so that watchers do not come back at once.
  var random: (UInt64) -> UInt64

  package init(
    settings: SharedSettings, now: Nanoseconds, delegate: any ServerConnectionDelegate,
    random: @escaping (UInt64) -> UInt64 = { $0 == 0 ? 0 : UInt64.random(in: 0..<$0) }
  ) {
    shared = settings
    let settings = settings.value
    self.now = now
    self.delegate = delegate
    self.random = random
    lastReceived = now
    idleSince = now
    abuse = settings.abuse.map { AbuseBucket($0, initialCredit: settings.initialCredit, now: now) }
    helloDeadline = now + settings.helloTimeout
    output.append(Limits.preface)
    output.appendHello(settings.hello.protobufBytes())
    arm(helloDeadline)
  }

  /// TLS is up: the peer's time for its HELLO begins now.
  package func transportEstablished() {
    helloDeadline = now + settings.helloTimeout
    arm(helloDeadline)
    if let age = settings.maxAge {
      // Give or take a tenth: connections that came together do not leave together.
      ageEnd = now + age - age / 10 + random(max(age / 5, 1))
      arm(ageEnd)
    }
  }

  /// When the last byte came.
  package var silentSince: Nanoseconds { lastReceived }
  package var isDraining: Bool { draining }
  /// The connection is over once the output is flushed.
  package var wantsClose: Bool { phase == .closing }
  /// False while so many refusals wait that the server stops reading.
  package var wantsRead: Bool { refusals.count <= Limits.unsentRefusals }
  /// Bytes a client may have in flight, requests and responses together.
  var messageBudget: Int { 4 * settings.maxMessage }

  /// Tests: bytes in, at once.
  package func receive(_ bytes: [UInt8]) {
    input.append(bytes)
    processInput()
  }

  /// Works through what was appended to ``input``.
  package func processInput() {
    stoppedReading = false
    lastReceived = now
    pingInFlight = false
    pingDue = false
    do throws(ConnectionViolation) {
      try readFrames()
    } catch {
      fail(error)
    }
    if phase == .closing { input.removeAll() }
    if stoppedReading {
      frameClock.pause()
    } else {
      frameClock.read(frames: framesRead, partial: input.count, now)
      arm(frameClock.deadline)
    }
  }

  /// One token of the bucket. An empty one ends the connection.
  func spend(_ what: @autoclosure () -> String) throws(ConnectionViolation) {
    guard abuse?.spend(now) == false else { return }
    throw ConnectionViolation(.calm, "too much of it: \(what())")
  }

  /// A frame for a stream that is over: it may have crossed END on its way.
  func crossed() throws(ConnectionViolation) {
    guard abuse?.crossed(now) == false else { return }
    throw ConnectionViolation(.calm, "too much of it: frames for streams that are over")
  }

  private func readFrames() throws(ConnectionViolation) {
    if phase == .preface {
      guard try readPreface() else { return }
    }
    while phase != .closing {
      guard wantsRead else {
        stoppedReading = true
        return
      }
      switch FrameParser.next(in: input.readable, maxFrame: settings.maxFrame) {
      case .incomplete:
        return
      case .violation(let violation):
        throw violation
      case .ignorable(let size):
        guard phase == .open else { throw ConnectionViolation(.protocol, "no HELLO") }
        input.consume(size)
        framesRead &+= 1
        try spend("frames of unknown types")
      case .frame(let frame, let type, let size):
        try handle(frame, type)
        // The handler's pointers die here.
        input.consume(size)
        framesRead &+= 1
      }
    }
  }

  /// True once the preface is there. A wrong one closes without a word: the peer speaks something else.
  private func readPreface() throws(ConnectionViolation) -> Bool {
    let bytes = input.readable
    let count = min(bytes.count, Limits.preface.count)
    for i in 0..<count where bytes[i] != Limits.preface[i] {
      violation = ConnectionViolation(.protocol, "bad preface")
      output.removeAll()
      phase = .closing
      return false
    }
    guard count == Limits.preface.count else { return false }
    input.consume(count)
    phase = .hello
    return true
  }

  @inline(__always)
  private func handle(_ frame: Frame, _ type: FrameType) throws(ConnectionViolation) {
    if phase == .hello {
      guard type == .hello else { throw ConnectionViolation(.protocol, "no HELLO") }
      return try handleHello(frame)
    }
    switch type {
    case .call: try handleCall(frame)
    case .data: try handleData(frame)
    case .credit: try handleCredit(frame)
    case .cancel: try handleCancel(frame)
    case .ping: try handlePing(frame)
    case .goaway: handleGoaway(Goaway(frame))
    case .hello: throw ConnectionViolation(.protocol, "a second HELLO")
    case .end: throw ConnectionViolation(.protocol, "END from a client")
    }
  }

  private func handleHello(_ frame: Frame) throws(ConnectionViolation) {
    guard let hello = Hello(metadata: frame.body) else {
      throw ConnectionViolation(.protocol, "HELLO is not protobuf")
    }
    peer = try PeerSettings(hello, fromServer: false)
    phase = .open
    idleSince = now
    if let idle = settings.idleClose { arm(now + idle) }
  }

  private func handlePing(_ frame: Frame) throws(ConnectionViolation) {
    let opaque = frame.body.loadUnaligned(as: UInt64.self)
    // An ACK is a life sign, which every byte is; there is nothing more in it for us.
    guard !frame.header.flags.contains(.ack) else { return }
    try spend("PING")
    if let last = lastPeerPing, now - last < settings.minPing / 2 {
      earlyPingTimes.removeAll { now - $0 > Limits.earlyPingWindow }
      earlyPingTimes.append(now)
      if earlyPingTimes.count >= Limits.earlyPings {
        throw ConnectionViolation(.calm, "min_ping_ms=\(settings.minPing / 1_000_000)")
      }
    }
    lastPeerPing = now
    pingAck = opaque
  }

  private func handleGoaway(_ goaway: Goaway) {
    peerGoaway = true
    if goaway.code != GoawayCode.drain.rawValue {
      phase = .closing
      endAllStreams(.unavailable)
    } else if streams.isEmpty {
      phase = .closing
    }
  }

  /// GOAWAY and close.
  func fail(_ violation: ConnectionViolation) {
    guard phase != .closing else { return }
    self.violation = violation
    output.appendGoaway(violation.code, lastStream: highestStream, graceMs: 0, reason: violation.reason)
    phase = .closing
    endAllStreams(.unavailable)
  }

  /// The socket is gone, or the driver gives up on it.
  package func connectionLost(_ reason: String) {
    phase = .closing
    output.removeAll()
    input.removeAll()
    endAllStreams(.unavailable)
  }

  /// No END leaves any more: handlers are told, the table is emptied.
  func endAllStreams(_ status: StatusCode) {
    let open = streams
    streams = [:]
    readyQueue = []
    readyHead = 0
    controlQueue = []
    refusals = []
    reservedBytes = 0
    queuedBytes = 0
    groupQueue = []
    for stream in open.values {
      hold(stream, -stream.held)
      leave(stream)
      if stream.state == .running { delegate.cancelled(stream, status) }
      delegate.ended(stream, finished: false)
    }
  }

  /// Makes sure ``advance()`` runs at `time`.
  @inline(__always)
  func arm(_ time: Nanoseconds) {
    if time < nextTimer { nextTimer = time }
  }
}
