internal import FramedMessages
internal import ProtobufFacade

/// The client's side of one connection, without sockets, clocks or TLS. Driven like ``ServerConnection``.
package final class ClientConnection {
  enum Phase {
    case preface
    case hello
    case open
    case closing
  }

  package let settings: ClientSettings
  package let input = ByteQueue()
  package let output = ByteQueue()
  package unowned let delegate: any ClientConnectionDelegate
  package var now: Nanoseconds
  package internal(set) var nextTimer = Nanoseconds.never
  package internal(set) var peer = PeerSettings.floors
  package internal(set) var violation: ConnectionViolation?
  package internal(set) var goaway: Goaway?

  var phase = Phase.preface
  var closingByUs = false
  var streams: [UInt32: ClientStream] = [:]
  var nextID: UInt32
  var helloDeadline: Nanoseconds
  /// When the last byte came.
  var lastReceived: Nanoseconds

  var pingAck: UInt64?
  var controlQueue: [ClientStream] = []
  var readyQueue: [ClientStream] = []
  var readyHead = 0
  /// Calls without a stream yet, oldest first.
  var waiting: [ClientStream] = []
  var waitingHead = 0

  package init(
    settings: ClientSettings, now: Nanoseconds, delegate: any ClientConnectionDelegate
  ) {
    self.settings = settings
    self.now = now
    self.delegate = delegate
    nextID = settings.firstStream
    lastReceived = now
    helloDeadline = now + settings.helloTimeout
    output.append(Limits.preface)
    output.appendHello(settings.hello.protobufBytes())
    arm(helloDeadline)
  }

  package func transportEstablished() {
    helloDeadline = now + settings.helloTimeout
    arm(helloDeadline)
  }

  /// A client never stops reading, also while its own writes are blocked: the two sides cannot stop for each other.
  package var wantsRead: Bool { true }
  package var stoppedReading: Bool { false }
  package var wantsClose: Bool { phase == .closing }
  /// Whether a call opened now could go out.
  package var isUsable: Bool { phase != .closing && goaway == nil && !closingByUs && nextID <= Limits.maxStreamID }
  package var openStreams: Int { streams.count }

  package func receive(_ bytes: [UInt8]) {
    input.append(bytes)
    processInput()
  }

  package func processInput() {
    lastReceived = now
    do throws(ConnectionViolation) {
      try readFrames()
    } catch {
      fail(error)
    }
    if phase == .closing { input.removeAll() }
  }

  private func readFrames() throws(ConnectionViolation) {
    if phase == .preface {
      let bytes = input.readable
      let count = min(bytes.count, Limits.preface.count)
      for i in 0..<count where bytes[i] != Limits.preface[i] {
        violation = ConnectionViolation(.protocol, "bad preface")
        return connectionLost("the peer does not speak FramedRPC")
      }
      guard count == Limits.preface.count else { return }
      input.consume(count)
      phase = .hello
    }
    while phase != .closing {
      switch FrameParser.next(in: input.readable, maxFrame: settings.maxFrame) {
      case .incomplete: return
      case .violation(let violation): throw violation
      case .ignorable(let size): input.consume(size)
      case .frame(let frame, let type, let size):
        try handle(frame, type)
        input.consume(size)
      }
    }
  }

  private func handle(_ frame: Frame, _ type: FrameType) throws(ConnectionViolation) {
    if phase == .hello {
      guard type == .hello else { throw ConnectionViolation(.protocol, "no HELLO") }
      return try handleHello(frame)
    }
    switch type {
    case .end: try handleEnd(frame)
    case .data: try handleData(frame)
    case .credit: try handleCredit(frame)
    case .ping:
      if !frame.header.flags.contains(.ack) { pingAck = frame.body.loadUnaligned(as: UInt64.self) }
    case .goaway: handleGoaway(Goaway(frame))
    case .hello: throw ConnectionViolation(.protocol, "a second HELLO")
    case .call, .cancel: throw ConnectionViolation(.protocol, "a client's frame from a server")
    }
  }

  private func handleHello(_ frame: Frame) throws(ConnectionViolation) {
    guard let hello = Hello(metadata: frame.body) else {
      throw ConnectionViolation(.protocol, "HELLO is not protobuf")
    }
    peer = try PeerSettings(hello, fromServer: true)
    phase = .open
    // Calls sent before this was read began with the floor.
    for stream in streams.values {
      _ = stream.sendWindow.widen(by: Int64(peer.initialCredit - Limits.floorCredit))
      markReady(stream)
    }
    delegate.opened(peer)
  }

  private func handleCredit(_ frame: Frame) throws(ConnectionViolation) {
    let bytes = UInt32(bigEndian: frame.body.loadUnaligned(as: UInt32.self))
    guard bytes > 0 else { throw ConnectionViolation(.flowControl, "CREDIT of 0") }
    guard let stream = try known(frame.header.stream) else { return }
    guard stream.sendWindow.add(bytes) else { throw ConnectionViolation(.flowControl, "window above 2^31-1") }
    markReady(stream)
  }

  private func handleGoaway(_ goaway: Goaway) {
    self.goaway = goaway
    let refused = EndStatus(.unavailable, "the server is going away: \(goaway.reason)", refused: true)
    for stream in waiting[waitingHead...] where stream.state == .waiting { answer(stream, refused) }
    waiting = []
    waitingHead = 0
    for stream in Array(streams.values) where stream.id > goaway.lastStream {
      streams[stream.id] = nil
      stream.state = .closed
      answer(stream, refused)
    }
    delegate.goaway(goaway)
    closeIfDone()
  }

  func closeIfDone() {
    if streams.isEmpty, goaway != nil || closingByUs { phase = .closing }
  }

  /// The stream of a server's frame; `nil`: it has ended.
  func known(_ id: UInt32) throws(ConnectionViolation) -> ClientStream? {
    if let stream = streams[id] { return stream }
    guard id < nextID else { throw ConnectionViolation(.protocol, "frame on stream \(id), never opened") }
    return nil
  }

  func fail(_ violation: ConnectionViolation) {
    guard phase != .closing else { return }
    self.violation = violation
    output.appendGoaway(violation.code, lastStream: 0, graceMs: 0, reason: violation.reason)
    phase = .closing
    answerAll("the server broke the protocol: \(violation.reason)")
  }

  /// No more calls: open ones are cancelled, then the connection closes.
  package func close() {
    guard phase != .closing else { return }
    closingByUs = true
    for stream in Array(streams.values) { cancel(stream, .clientShutdown) }
    answerAll("the client was closed", code: .cancelled)
    fill()
    output.appendGoaway(.drain, lastStream: 0, graceMs: 0, reason: "")
    phase = .closing
  }

  /// The socket is gone: a call without END is never a success.
  package func connectionLost(_ reason: String) {
    if phase != .closing { phase = .closing }
    answerAll(reason)
  }

  private func answerAll(_ reason: String, code: StatusCode = .unavailable) {
    let unsent = waiting[waitingHead...].filter { $0.state == .waiting }
    waiting = []
    waitingHead = 0
    for stream in unsent { answer(stream, EndStatus(code, reason, refused: true)) }
    let open = streams
    streams = [:]
    for stream in open.values {
      stream.state = .closed
      answer(stream, EndStatus(code, reason))
    }
  }

  /// Tells the caller, once.
  func answer(_ stream: ClientStream, _ status: EndStatus, message: [UInt8]? = nil) {
    guard !stream.answered else { return }
    stream.answered = true
    stream.deadline = .never
    delegate.ended(stream, status, message: message)
  }

  @inline(__always)
  func arm(_ time: Nanoseconds) {
    if time < nextTimer { nextTimer = time }
  }
}
