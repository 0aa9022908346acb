import FramedCore
import FramedMessages
import ProtobufFacade

/// A server core with a clock of the test's own and handlers the test plays.
final class ServerSide: ServerConnectionDelegate {
  private final class Method {}

  struct Sent {
    let type: FrameType
    let flags: FrameFlags
    let aux: UInt16
    let stream: UInt32
    let meta: [UInt8]
    let body: [UInt8]

    var end: EndMeta? { try? EndMeta(protobuf: meta) }
    var data: DataMeta? { try? DataMeta(protobuf: meta) }
    var code: StatusCode? { end.flatMap { StatusCode(rawValue: Int32($0.code)) } }
  }

  private(set) var connection: ServerConnection!
  var started: [(stream: ServerStream, request: [UInt8])] = []
  var cancelled: [(stream: UInt32, status: StatusCode)] = []
  var ended: [UInt32] = []
  var abandonedStreams: [UInt32] = []
  var roomAgain: [UInt32] = []
  var snapshots = true
  var admits = true
  private let method = Method()

  init(_ settings: ServerSettings = ServerSettings()) {
    connection = ServerConnection(
      settings: SharedSettings(settings), now: .seconds(1_000), delegate: self, random: { $0 / 2 })
  }

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

  func opened(_ stream: ServerStream) -> Bool { admits }
  func start(_ stream: ServerStream, _ request: UnsafeRawBufferPointer) { started.append((stream, Array(request))) }
  func cancelled(_ stream: ServerStream, _ status: StatusCode) { cancelled.append((stream.id, status)) }
  func ended(_ stream: ServerStream, finished: Bool) { ended.append(stream.id) }
  func snapshotNeeded(_ stream: ServerStream) -> Bool { snapshots }
  func roomAgain(_ stream: ServerStream) { roomAgain.append(stream.id) }
  func abandoned(_ stream: ServerStream) { abandonedStreams.append(stream.id) }

  // MARK: What the test does

  func hello(_ hello: Hello = Hello()) {
    connection.receive(Limits.preface + frame { $0.appendHello(hello.protobufBytes()) })
    _ = sent()
  }

  func call(
    _ stream: UInt32, _ method: String, _ flags: FrameFlags = .last, body: [UInt8] = [],
    change: (inout CallMeta) -> Void = { _ in }
  ) {
    var meta = CallMeta(method: method)
    change(&meta)
    connection.receive(frame { $0.appendFrame(.call, flags, stream: stream, meta: meta.protobufBytes(), body: body) })
  }

  func data(_ stream: UInt32, _ flags: FrameFlags, body: [UInt8] = [], meta: [UInt8] = []) {
    connection.receive(frame { $0.appendFrame(.data, flags, stream: stream, meta: meta, body: body) })
  }

  func credit(_ bytes: UInt32, stream: UInt32) { connection.receive(frame { $0.appendCredit(bytes, stream: stream) }) }
  func cancel(_ stream: UInt32, _ reason: CancelReason = .caller) {
    connection.receive(frame { $0.appendCancel(reason, stream: stream) })
  }

  func ping() { connection.receive(frame { $0.appendPing(1, ack: false) }) }

  func pass(_ time: Nanoseconds) {
    connection.now += time
    connection.advance()
  }

  /// Everything the server has to say now, as frames.
  func sent() -> [Sent] {
    var frames: [Sent] = []
    repeat {
      connection.fill()
      frames += taken()
    } while connection.hasMore && !connection.wantsClose
    return frames
  }

  /// What lies in the output, as frames; the preface is skipped.
  func taken() -> [Sent] {
    var frames: [Sent] = []
    let output = connection.output
    if output.count >= 8, Array(output.readable.prefix(8)) == Limits.preface { output.consume(8) }
    while case .frame(let frame, let type, let size) = FrameParser.next(in: output.readable, maxFrame: 1 << 20) {
      frames.append(
        Sent(
          type: type, flags: frame.header.flags, aux: frame.header.aux, stream: frame.header.stream,
          meta: Array(frame.meta), body: Array(frame.body)))
      output.consume(size)
    }
    return frames
  }

  /// The code of the GOAWAY that ended the connection.
  func goaway() -> GoawayCode? {
    guard let last = sent().last, last.type == .goaway, connection.wantsClose else { return nil }
    return GoawayCode(rawValue: last.aux)
  }
}

func frame(_ write: (ByteQueue) -> Void) -> [UInt8] {
  let queue = ByteQueue()
  write(queue)
  return Array(queue.readable)
}

extension ByteQueue {
  func take() -> [UInt8] {
    let bytes = Array(readable)
    consume(bytes.count)
    return bytes
  }
}
