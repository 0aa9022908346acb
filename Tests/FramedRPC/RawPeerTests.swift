import FramedCore
import FramedMessages
import FramedRPC
import ProtobufFacade
import Testing

/// Peers that break the rules of the connection, over real TLS: each ends the connection, with the GOAWAY it deserves.
@Suite struct RawPeerTests {
  private func frame(_ write: (ByteQueue) -> Void) -> [UInt8] {
    let queue = ByteQueue()
    write(queue)
    return Array(queue.readable)
  }

  private func raw(
    _ type: UInt8, flags: UInt8 = 0, aux: UInt16 = 0, stream: UInt32, length: UInt32, _ payload: [UInt8] = []
  )
    -> [UInt8]
  {
    var bytes: [UInt8] = []
    for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: length >> UInt32(shift))) }
    bytes += [type, flags, UInt8(aux >> 8), UInt8(aux & 0xFF)]
    for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: stream >> UInt32(shift))) }
    return bytes + payload
  }

  private func goaway(after bytes: [UInt8]) async throws -> (code: UInt16, reason: String)? {
    let credentials = try TestCredentials.shared.get()
    return try await withServer { _, _, address in
      let peer = try RawPeer(address, tls: credentials.client)
      try peer.hello()
      try peer.send(bytes)
      let frames = try peer.frames()
      #expect(peer.isClosed)
      guard let last = frames.last, last.type == .goaway else { return nil }
      return (last.header.aux, String(decoding: last.body.dropFirst(8), as: UTF8.self))
    }
  }

  @Test func brokenFramesEndTheConnection() async throws {
    let cases: [(String, [UInt8], GoawayCode)] = [
      ("length above max_frame", raw(2, flags: 1, stream: 1, length: 16_373), .frameSize),
      ("length of 4 GiB", raw(2, flags: 1, stream: 1, length: 0xFFFF_FFFF), .frameSize),
      ("unknown type", raw(0x55, stream: 0, length: 0), .protocol),
      ("aux beyond length", raw(2, flags: 1, aux: 9, stream: 1, length: 8, bytes(8)), .protocol),
      ("even stream id", raw(2, flags: 1, stream: 2, length: 0), .protocol),
      ("PING of 7 bytes", raw(7, stream: 0, length: 7, bytes(7)), .frameSize),
      ("CREDIT of 0", raw(6, stream: 1, length: 4, [0, 0, 0, 0]), .flowControl),
      ("CREDIT on stream 0", raw(6, stream: 0, length: 4, [0, 0, 0, 1]), .flowControl),
      ("DATA never opened", raw(3, stream: 9, length: 0), .protocol),
      ("a second HELLO", raw(1, stream: 0, length: 0), .protocol),
      ("END from a client", raw(4, stream: 1, length: 0), .protocol),
    ]
    for (name, bytes, code) in cases {
      let goaway = try await goaway(after: bytes)
      #expect(goaway?.code == code.rawValue, "\(name): \(goaway?.reason ?? "no GOAWAY")")
    }
  }

  @Test func threeEarlyPingsAreTooMany() async throws {
    let pings = (0..<4).flatMap { i in frame { $0.appendPing(UInt64(i), ack: false) } }
    let goaway = try await goaway(after: pings)
    #expect(goaway?.code == GoawayCode.calm.rawValue)
    #expect(goaway?.reason == "min_ping_ms=10000")
  }

  /// CALL and CANCEL as fast as a peer can send them: HTTP/2's rapid reset.
  private func rapidReset(_ service: EchoService, _ address: ListeningAddress, rounds: Int) async throws -> [RawPeer
    .Received]
  {
    let credentials = try TestCredentials.shared.get()
    let peer = try RawPeer(address, tls: credentials.client)
    try peer.hello()
    let meta = CallMeta(method: EchoMethods.hang.name).protobufBytes()
    var last: [RawPeer.Received] = []
    for round in 0..<rounds {
      var pairs: [UInt8] = []
      for call in 0..<500 {
        let id = UInt32(2 * (500 * round + call) + 1)
        pairs += frame { queue in
          queue.appendFrame(.call, .last, stream: id, meta: meta, body: [])
          queue.appendCancel(.caller, stream: id)
        }
      }
      try peer.send(pairs)
      // Each call has its END, however it was answered, or the connection its GOAWAY.
      last = try peer.frames { frames in
        frames.last?.type == .goaway || frames.count(where: { $0.type == .end }) >= 500
      }
      if last.contains(where: { $0.type == .goaway }) { break }
    }
    return last
  }

  @Test func rapidResetNeverRunsMoreHandlersThanStreams() async throws {
    var limits = ServerLimits()
    limits.abuseTokens = nil
    limits.maxStreams = 100
    try await withServer(limits: limits) { _, service, address in
      let last = try await rapidReset(service, address, rounds: 20)
      #expect(!last.contains { $0.type == .goaway })
      #expect((1...100).contains(service.mostRunning.current))
      try await service.running.wait { $0 == 0 }
    }
  }

  @Test func rapidResetSpendsItsTokens() async throws {
    try await withServer { _, service, address in
      let last = try await rapidReset(service, address, rounds: 20)
      let goaway = try #require(last.last)
      #expect(goaway.type == .goaway)
      #expect(goaway.header.aux == GoawayCode.calm.rawValue)
      #expect(service.mostRunning.current <= 201)
      try await service.running.wait { $0 == 0 }
    }
  }

  @Test func unknownTypesWithIgnorableAreSkipped() async throws {
    let credentials = try TestCredentials.shared.get()
    try await withServer { _, _, address in
      let peer = try RawPeer(address, tls: credentials.client)
      try peer.hello()
      try peer.send(raw(0x7A, flags: 0x80, stream: 123_456, length: 5, bytes(5)))
      let meta = CallMeta(method: EchoMethods.echoSync.name).protobufBytes()
      try peer.send(
        frame { $0.appendFrame(.call, .last, stream: 1, meta: meta, body: Header(key: "x").protobufBytes()) })
      let frames = try peer.frames { $0.last?.type == .end }
      let answer = try Header(protobuf: frames.last?.body ?? [])
      #expect(answer.key == "x")
    }
  }

  @Test func wrongPrefaceClosesWithoutAWord() async throws {
    let credentials = try TestCredentials.shared.get()
    try await withServer { _, _, address in
      let peer = try RawPeer(address, tls: credentials.client)
      try peer.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
      let frames = try peer.frames()
      #expect(peer.isClosed)
      #expect(!frames.contains { $0.type == .goaway })
    }
  }

  @Test(arguments: ["", "h2"])
  func clientWithoutOurProtocolIsRefused(_ alpn: String) async throws {
    let credentials = try TestCredentials.shared.get()
    try await withServer { server, _, address in
      let peer = try? RawPeer(address, tls: credentials.client, alpn: alpn)
      if let peer {
        try? peer.hello()
        #expect(try peer.frames().isEmpty)
        #expect(peer.isClosed)
      }
      try await eventually { server.connectionCount == 0 }
    }
  }

  @Test func plainTextOnTheTLSPortIsRefused() async throws {
    try await withServer { server, _, address in
      let peer = try RawPeer(address, tls: nil)
      try peer.send(Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
      while !peer.isClosed { try peer.receive() }
      try await eventually { server.connectionCount == 0 }
    }
  }

  @Test func silentPeersAreClosedAfterFiveSeconds() async throws {
    let credentials = try TestCredentials.shared.get()
    try await withServer { server, _, address in
      let start = ContinuousClock.now
      // One never begins TLS, the other never says HELLO.
      let dumb = try RawPeer(address, tls: nil)
      let shy = try RawPeer(address, tls: credentials.client)
      while !dumb.isClosed { try dumb.receive() }
      _ = try shy.frames()
      #expect(shy.isClosed)
      #expect(ContinuousClock.now - start >= .milliseconds(4_900))
      try await eventually { server.connectionCount == 0 }
    }
  }
}
