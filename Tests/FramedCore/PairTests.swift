import FramedCore
import FramedMessages
import ProtobufFacade
import Testing

/// Both cores, mouth to ear.
@Suite struct PairTests {
  final class ClientSide: ClientConnectionDelegate {
    private(set) var connection: ClientConnection!
    var answers: [UInt32: (status: EndStatus, message: [UInt8]?)] = [:]
    var messages: [StreamMessage] = []

    init() {
      connection = ClientConnection(settings: ClientSettings(), now: .seconds(1_000), delegate: self)
    }

    func opened(_ peer: PeerSettings) {}
    func ended(_ stream: ClientStream, _ status: EndStatus, message: [UInt8]?) {
      answers[stream.id] = (status, message)
    }
    func message(_ stream: ClientStream, _ message: StreamMessage) {
      messages.append(message)
      if message.bytes != nil { connection.taken(stream) }
    }
    func goaway(_ goaway: Goaway) {}

    func call(_ method: String, _ request: [UInt8], isUnary: Bool = true, timeout: Nanoseconds? = nil) -> ClientStream {
      connection.call(
        CallMeta(method: method), request: request, isUnary: isUnary, timeout: timeout, attachment: nil)
    }
  }

  private func pattern(_ size: Int) -> [UInt8] {
    var bytes = (0..<min(size, 1_021)).map { (i: Int) -> UInt8 in UInt8(truncatingIfNeeded: i &* 7) }
    while bytes.count < size { bytes += bytes.prefix(size - bytes.count) }
    return bytes
  }

  /// Carries bytes both ways, in pieces of `piece` bytes, until nobody has anything to say.
  private func exchange(_ client: ClientSide, _ server: ServerSide, piece: Int = .max) {
    var idle = false
    while !idle {
      idle = true
      client.connection.fill()
      server.connection.fill()
      for (from, to) in [
        (client.connection, server.connection), (server.connection, client.connection),
      ] as [(any ConnectionCore, any ConnectionCore)] {
        let bytes = from.output.take()
        if !bytes.isEmpty { idle = false }
        var start = 0
        while start < bytes.count {
          let end = min(bytes.count, start + min(piece, bytes.count))
          to.input.append(Array(bytes[start..<end]))
          to.processInput()
          start = end
        }
      }
    }
  }

  @Test(arguments: [1, 7, 11, 12, 13, 4_096, 16_384, Int.max])
  func messagesOfEverySizeSurviveEverySplit(_ piece: Int) {
    let client = ClientSide()
    let server = ServerSide()
    let sizes = piece < 4_096 ? [0, 1, 300, 20_000] : [0, 1, 16_000, 65_536, 262_144, 1_000_000]
    let streams = sizes.map { size in
      (client.call("Sync", pattern(size)), size)
    }
    exchange(client, server, piece: piece)
    for (stream, size) in streams {
      let answer = client.answers[stream.id]
      let expected = pattern(size)
      #expect(answer?.status.code == .ok)
      #expect(answer?.message == expected, "\(size) bytes")
    }
    #expect(client.connection.violation == nil)
    #expect(server.connection.violation == nil)
  }

  @Test func callsSentBeforeTheHelloKeepToTheFloorsAndThenUseTheServersCredit() {
    let client = ClientSide()
    let server = ServerSide()
    let stream = client.call("Sync", [UInt8](repeating: 5, count: 200_000))
    client.connection.fill()
    #expect(client.connection.output.count < 65_536 + 1_024, "the floor until the HELLO is read")
    exchange(client, server)
    #expect(client.answers[stream.id]?.message?.count == 200_000)
  }

  @Test func callsWaitForAStreamInTheirOrder() {
    let client = ClientSide()
    var settings = ServerSettings()
    settings.maxStreams = 100
    let server = ServerSide(settings)
    let streams = (0..<150).map { _ in client.call("Async", [1]) }
    exchange(client, server)
    #expect(server.started.count == 100)
    for started in server.started { server.connection.finish(started.stream, .message([2], trailers: [])) }
    exchange(client, server)
    #expect(server.started.count == 150)
    let ids = streams.map(\.id)
    let expected = (0..<150).map { (i: Int) -> UInt32 in UInt32(i * 2 + 1) }
    #expect(ids == expected)
  }

  @Test func deadlineAnswersTheCallerAndCancelsASecondLater() {
    let client = ClientSide()
    let server = ServerSide()
    let stream = client.call("Async", [], timeout: .milliseconds(100))
    exchange(client, server)
    #expect(server.started[0].stream.meta.timeoutMs == 100)
    client.connection.now += .milliseconds(101)
    client.connection.advance()
    #expect(client.answers[stream.id]?.status.code == .deadlineExceeded)
    exchange(client, server)
    #expect(server.cancelled.isEmpty)
    client.connection.now += .milliseconds(1_001)
    client.connection.advance()
    exchange(client, server)
    #expect(server.cancelled.map(\.status) == [.deadlineExceeded])
  }

  @Test func lostConnectionIsUnavailableAndNeverASuccess() {
    let client = ClientSide()
    let server = ServerSide()
    let stream = client.call("Async", [])
    exchange(client, server)
    client.connection.connectionLost("reset")
    #expect(client.answers[stream.id]?.status.code == .unavailable)
    #expect(client.answers[stream.id]?.status.refused == false)
  }

  @Test func callsAboveTheGoawaysLastStreamAreRefused() {
    let client = ClientSide()
    let server = ServerSide()
    let early = client.call("Async", [])
    exchange(client, server)
    server.connection.drain(grace: .seconds(10))
    // Crosses the GOAWAY.
    let late = client.call("Async", [])
    server.connection.fill()
    client.connection.receive(server.connection.output.take())
    #expect(client.answers[late.id]?.status.refused == true)
    #expect(client.answers[early.id] == nil)
    let after = client.call("Async", [])
    #expect(client.answers[after.id]?.status.refused == true)
  }

  @Test func watchDeliversValuesLargerThanTheWindow() {
    let client = ClientSide()
    let server = ServerSide()
    _ = client.call("Watch", [], isUnary: false)
    exchange(client, server)
    let stream = server.started[0].stream
    server.connection.begin(stream, epoch: 9)
    for i in 1...5 {
      server.connection.offer(
        stream, key: "\(i)", seq: UInt64(i), bytes: [UInt8](repeating: UInt8(i), count: 300_000), removed: false)
    }
    exchange(client, server)
    #expect(client.messages.map(\.meta.seq) == [1, 2, 3, 4, 5])
    #expect(client.messages.allSatisfy { $0.bytes?.count == 300_000 })
    #expect(client.messages.first?.meta.epoch == 9)
    #expect(client.connection.violation == nil)
    #expect(server.connection.violation == nil)
  }
}
