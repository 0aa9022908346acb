import FramedCore
import FramedMessages
import ProtobufFacade
import Testing

/// A client whose server says nothing any more.
@Suite struct ClientSilenceTests {
  private func watching(maxSilenceMs: UInt32? = nil) -> (PairTests.ClientSide, ClientStream) {
    let client = PairTests.ClientSide()
    client.connection.receive(Limits.preface + frame { $0.appendHello([]) })
    var meta = CallMeta(method: "Watch")
    meta.maxSilenceMs = maxSilenceMs
    let stream = client.connection.call(meta, request: [], isUnary: false, timeout: nil, attachment: nil)
    client.connection.fill()
    return (client, stream)
  }

  private func pass(_ client: PairTests.ClientSide, _ time: Nanoseconds) {
    client.connection.now += time
    client.connection.advance()
  }

  private func data(_ client: PairTests.ClientSide, _ meta: DataMeta) {
    client.connection.receive(
      frame { $0.appendFrame(.data, [], stream: 1, meta: meta.protobufBytes(), body: [1]) })
  }

  @Test func aConnectionThatIsSilentIsLost() {
    let (client, _) = watching()
    pass(client, .seconds(44))
    #expect(client.answers.isEmpty)
    pass(client, .seconds(2))
    #expect(client.answers[1]?.0.code == .unavailable)
    #expect(client.connection.wantsClose)
  }

  @Test func aStreamThatIsSilentIsCancelledAndTheConnectionGoesOn() {
    let (client, _) = watching()
    _ = client.connection.output.take()
    for _ in 0..<5 {
      pass(client, .seconds(10))
      client.connection.receive(frame { $0.appendPing(1, ack: false) })
    }
    #expect(client.answers[1]?.0.code == .unavailable)
    #expect(!client.connection.wantsClose)
    client.connection.fill()
    let sent = client.connection.output.take()
    // A CANCEL of stream 1 is among the answers to the pings.
    #expect(sent.count.isMultiple(of: 4))
    #expect(stride(from: 0, to: sent.count - 11, by: 1).contains { sent[$0 + 4] == 0x05 && sent[$0 + 11] == 1 })
  }

  @Test func theServersWordCounts() {
    let (client, _) = watching()
    var meta = DataMeta()
    meta.seq = 1
    meta.epoch = 1
    meta.silenceMs = 60_000
    data(client, meta)
    pass(client, .seconds(170))
    #expect(client.answers.isEmpty)
    pass(client, .seconds(11))
    #expect(client.answers[1]?.0.code == .unavailable)
  }

  @Test func everyValueIsALifeSign() {
    let (client, _) = watching(maxSilenceMs: 5_000)
    for seq in 1..<20 {
      pass(client, .seconds(14))
      var meta = DataMeta()
      meta.seq = UInt64(seq)
      data(client, meta)
    }
    #expect(client.answers.isEmpty)
    pass(client, .seconds(16))
    #expect(client.answers[1]?.0.code == .unavailable)
  }

  @Test func aUnaryCallMayTakeItsTime() {
    let client = PairTests.ClientSide()
    client.connection.receive(Limits.preface + frame { $0.appendHello([]) })
    _ = client.connection.call(
      CallMeta(method: "Unary"), request: [], isUnary: true, timeout: .seconds(250), attachment: nil)
    pass(client, .seconds(200))
    #expect(client.answers.isEmpty && !client.connection.wantsClose)
  }
}
