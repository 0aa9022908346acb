internal import FramedCore
internal import FramedMessages
internal import ProtobufFacade

/// A peer that plays its input as protocol operations against a server's connection, with handlers that answer when the input
/// says so. After every operation the frames the server sent are held against the protocol's promises.
func fuzzPeer(_ input: UnsafeRawBufferPointer) {
  let peer = FuzzedConnection(Operations(input))
  peer.play()
}

/// Reads the input a byte or two at a time; zeros behind its end.
struct Operations {
  private let bytes: UnsafeRawBufferPointer
  private var at = 0
  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var isEmpty: Bool { at >= bytes.count }
  mutating func byte() -> UInt8 {
    guard at < bytes.count else { return 0 }
    defer { at += 1 }
    return bytes[at]
  }
  mutating func number() -> Int { Int(byte()) << 8 | Int(byte()) }
  mutating func take(_ count: Int) -> [UInt8] {
    let end = min(bytes.count, at + count)
    defer { at = end }
    return Array(bytes[at..<end])
  }
}

private final class FuzzedConnection: ServerConnectionDelegate {
  private final class Method {}
  private struct Seen {
    /// Bytes the server may still send.
    var window: Int64
    var ended = false
    var inMessage = false
  }

  private var operations: Operations
  private let method = Method()
  private var connection: ServerConnection!
  private var running: [ServerStream] = []
  private var watches: [ServerStream] = []
  private let group = LatestGroup()
  private var seen: [UInt32: Seen] = [:]
  private var nextID: UInt32 = 1
  private var sawGoaway = false
  private var sawPreface = false
  private var seq: UInt64 = 0
  private let settings: ServerSettings

  init(_ operations: Operations) {
    self.operations = operations
    var settings = ServerSettings()
    let first = self.operations.byte()
    settings.maxStreams = 100
    if first & 1 != 0 { settings.abuse = nil }
    if first & 2 != 0 { settings.idleClose = .seconds(60) }
    self.settings = settings
    connection = ServerConnection(
      settings: SharedSettings(settings), now: .seconds(1_000), delegate: self, random: { $0 / 2 })
    connection.transportEstablished()
    if first & 4 == 0 { receive(Limits.preface + frame { $0.appendHello(Hello().protobufBytes()) }) }
  }

  func play() {
    while !operations.isEmpty, !connection.wantsClose { step() }
    // Nothing is left hanging: with credit and handlers that return, every stream gets its END, or the connection ends.
    for stream in running { connection.finish(stream, .status(EndStatus(.ok))) }
    for stream in watches { connection.finish(stream, .status(EndStatus(.ok))) }
    check()
    guard !connection.wantsClose, sawPreface else { return }
    connection.now += .seconds(400)
    connection.advance()
    check()
    precondition(connection.wantsClose || connection.streams.isEmpty, "a stream has no END")
  }

  private func step() {
    switch operations.byte() % 16 {
    case 0, 1, 2: call()
    case 3, 4:
      let flags = FrameFlags(rawValue: operations.byte())
      let meta = operations.byte() & 7 == 0 ? operations.take(4) : []
      let body = operations.take(operations.number() & 0x3FF)
      receive(frame { $0.appendFrame(.data, flags, stream: someID(), meta: meta, body: body) })
    case 5:
      let id = someID()
      let amount = UInt32(operations.number()) << (operations.byte() & 15)
      if amount > 0 { seen[id]?.window += Int64(amount) }
      receive(frame { $0.appendCredit(amount, stream: id) })
    case 6: receive(frame { $0.appendCancel(.caller, stream: someID()) })
    case 7: receive(frame { $0.appendPing(1, ack: operations.byte() & 1 == 0) })
    case 8: receive(operations.take(Int(operations.byte() & 63)))
    case 9:
      guard !running.isEmpty else { return }
      let stream = running.remove(at: operations.number() % running.count)
      let size = operations.number() << 2
      connection.finish(stream, .message([UInt8](repeating: 7, count: size), trailers: []))
      check()
    case 10:
      guard !running.isEmpty else { return }
      connection.finish(running.remove(at: operations.number() % running.count), .status(EndStatus(.notFound, "no")))
      check()
    case 11, 12: watch()
    case 13:
      connection.now += .milliseconds(UInt64(operations.number()))
      connection.advance()
      check()
    case 14:
      if operations.byte() & 15 == 0 { connection.drain(grace: .seconds(10)) }
      check()
    default:
      let type = operations.byte()
      var bytes = frame {
        $0.appendFrame(.ping, [], stream: 0, meta: [], body: operations.take(Int(operations.byte() & 15)))
      }
      bytes[4] = type
      bytes[5] = operations.byte()
      receive(bytes)
    }
  }

  private static let methods = ["Sync", "Async", "Watch", "Queue", "Block", "Nothing"]

  private func call() {
    let kind = operations.byte()
    var meta = CallMeta(method: Self.methods[Int(operations.byte()) % Self.methods.count])
    var window = Int64(Limits.floorCredit)
    if kind & 4 != 0 {
      let credit = UInt32(operations.number())
      meta.initialCredit = credit
      window = Int64(credit)
    }
    if kind & 8 != 0 { meta.timeoutMs = UInt32(operations.number()) }
    if kind & 16 != 0 { meta.messageBytes = UInt64(operations.number()) }
    if kind & 32 != 0 {
      meta.resume = ResumePoint(epoch: UInt64(operations.byte()), afterSeq: UInt64(operations.byte()))
    }
    let flags: FrameFlags = kind & 64 != 0 ? FrameFlags(rawValue: operations.byte()) : .last
    var id = nextID
    if kind & 128 != 0 { id = someID() } else { nextID += 2 }
    if seen[id] == nil { seen[id] = Seen(window: window) }
    let body = operations.take(Int(operations.byte()))
    receive(frame { $0.appendFrame(.call, flags, stream: id, meta: meta.protobufBytes(), body: body) })
  }

  private func watch() {
    guard !watches.isEmpty else { return }
    let stream = watches[operations.number() % watches.count]
    seq += 1
    guard stream.isLatest else {
      let what = operations.byte()
      if what % 8 == 0 {
        connection.finishStream(stream)
      } else {
        let bytes = [UInt8](repeating: 2, count: operations.number())
        _ = connection.push(stream, seq: what & 8 == 0 ? seq : nil, bytes: bytes)
      }
      return check()
    }
    switch operations.byte() % 8 {
    case 0: connection.bookmark(stream, safeSeq: seq)
    case 1: connection.beginSnapshot(stream)
    case 2: connection.finishStream(stream)
    case 3: connection.join(group, stream, newest: nil)
    case 4:
      let bytes = [UInt8](repeating: 3, count: operations.number())
      connection.publish(group, LatestGroup.Value(key: "all", seq: seq, bytes: bytes, removed: false))
    default:
      let size = operations.number()
      connection.offer(
        stream, key: "\(operations.byte() & 15)", seq: seq, bytes: [UInt8](repeating: 1, count: size), removed: false)
    }
    check()
  }

  private func someID() -> UInt32 {
    let draw = operations.byte()
    return draw & 0x80 != 0 ? UInt32(draw & 0x7F) : UInt32(draw) % (nextID + 2) | 1
  }

  private func receive(_ bytes: [UInt8]) {
    connection.receive(bytes)
    check()
  }

  // MARK: The protocol's promises

  private func check() {
    precondition(connection.streams.count <= settings.maxStreams, "more streams than max_streams")
    repeat {
      connection.fill()
      let output = connection.output
      if !sawPreface {
        guard output.count >= Limits.preface.count else { return }
        precondition(Array(output.readable.prefix(Limits.preface.count)) == Limits.preface)
        output.consume(Limits.preface.count)
        sawPreface = true
      }
      while case .frame(let frame, let type, let size) = FrameParser.next(
        in: output.readable, maxFrame: Limits.floorFrame)
      {
        precondition(!sawGoaway || type == .end || type == .data || type == .ping || type == .credit || type == .goaway)
        look(frame, type)
        output.consume(size)
      }
      precondition(output.count == 0, "half a frame, or one of a wrong shape")
    } while connection.hasMore && !connection.wantsClose
  }

  private func look(_ frame: Frame, _ type: FrameType) {
    let id = frame.header.stream
    switch type {
    case .data, .end:
      guard var stream = seen[id] else { return precondition(type == .end || id & 1 == 1, "a frame of no call") }
      precondition(!stream.ended, "a frame behind END")
      stream.window -= Int64(frame.body.count)
      precondition(stream.window >= 0, "more than the credit")
      if type == .end {
        precondition(EndMeta(metadata: frame.meta) != nil)
        stream.ended = true
      } else {
        precondition(DataMeta(metadata: frame.meta) != nil)
      }
      seen[id] = stream
    case .goaway: sawGoaway = true
    case .hello, .ping, .credit: break
    case .call, .cancel: preconditionFailure("a client's frame from a server")
    }
  }

  // MARK: Handlers

  func admit(_ head: CallHead) -> Admission {
    switch head.meta.method {
    case "Sync": .sync(method, defaultTimeout: nil)
    case "Async": .async(method, defaultTimeout: nil)
    case "Watch": .stream(method, .latest, defaultTimeout: nil)
    case "Queue": .stream(method, .queue(bound: 4), defaultTimeout: nil)
    case "Block": .stream(method, .block, defaultTimeout: nil)
    default: .refused(EndStatus(.unimplemented, "no method \(head.meta.method)"))
    }
  }
  func answer(_ method: AnyObject, _ head: CallHead, _ request: UnsafeRawBufferPointer, deadline: Nanoseconds) -> Reply
  {
    .message(Array(request), trailers: [])
  }
  func start(_ stream: ServerStream, _ request: UnsafeRawBufferPointer) {
    if stream.isUnary { return running.append(stream) }
    connection.begin(stream, epoch: 1)
    connection.handlerSubscribed(stream)
    watches.append(stream)
  }
  func cancelled(_ stream: ServerStream, _ status: StatusCode) {}
  func ended(_ stream: ServerStream, finished: Bool) { watches.removeAll { $0 === stream } }
  func snapshotNeeded(_ stream: ServerStream) -> Bool { true }
  func opened(_ stream: ServerStream) -> Bool { true }
  func roomAgain(_ stream: ServerStream) {}
  func abandoned(_ stream: ServerStream) {}
}

private func frame(_ write: (ByteQueue) -> Void) -> [UInt8] {
  let queue = ByteQueue()
  write(queue)
  return Array(queue.readable)
}
