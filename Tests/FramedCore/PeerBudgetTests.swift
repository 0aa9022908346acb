import FramedCore
import FramedMessages
import Testing

/// What a client may do to a server and what it may not, counted.
@Suite struct PeerBudgetTests {
  private func open(_ change: (inout ServerSettings) -> Void = { _ in }) -> ServerSide {
    var settings = ServerSettings()
    change(&settings)
    let server = ServerSide(settings)
    server.hello()
    return server
  }

  /// How many times `act` is forgiven, and what the connection says then.
  private func forgiven(
    _ server: ServerSide, upTo limit: Int = 1_000, _ act: (_ number: UInt32) -> Void
  ) -> (times: Int, code: GoawayCode?) {
    for number in 0..<limit {
      act(UInt32(number))
      if server.connection.wantsClose { return (number, server.connection.violation?.code) }
    }
    return (limit, nil)
  }

  private func ignorable(_ server: ServerSide) {
    server.connection.receive([0, 0, 0, 1, 0x7A, 0x80, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 0])
  }

  // MARK: What costs a token

  @Test func cancellingYoungCalls() {
    let server = open()
    let (times, code) = forgiven(server) { number in
      let id = 2 * number + 1
      server.call(id, "Async")
      server.cancel(id)
      // The handler is told, and returns.
      if let stream = server.started.last?.stream { server.connection.finish(stream, .status(EndStatus(.cancelled))) }
      _ = server.sent()
    }
    #expect(times == 200)
    #expect(code == .calm)
    #expect(server.started.count <= 201)
  }

  @Test func aCallThatLivedASecondMayBeCancelled() {
    let server = open()
    let (times, _) = forgiven(server, upTo: 500) { number in
      let id = 2 * number + 1
      server.call(id, "Async")
      server.connection.now += .milliseconds(1_001)
      server.cancel(id)
      if let stream = server.started.last?.stream { server.connection.finish(stream, .status(EndStatus(.cancelled))) }
      _ = server.sent()
    }
    #expect(times == 500)
  }

  @Test func framesOfUnknownTypes() {
    let server = open()
    let (times, code) = forgiven(server) { _ in ignorable(server) }
    #expect(times == 200)
    #expect(code == .calm)
  }

  @Test func smallCredit() {
    let server = open()
    server.call(1, "Watch")
    let (times, code) = forgiven(server) { _ in server.credit(2_047, stream: 1) }
    #expect(times == 200)
    #expect(code == .calm)
  }

  @Test func creditOfHalfTheLeastWindowIsHonest() {
    let server = open()
    server.call(1, "Watch")
    #expect(forgiven(server) { _ in server.credit(2_048, stream: 1) }.times == 1_000)
  }

  @Test func pings() {
    // Above the shortest time between two, and yet too many for the bucket.
    let server = open { $0.minPing = 2 }
    let (times, code) = forgiven(server) { _ in
      server.connection.now += 10
      server.ping()
    }
    #expect(times == 200)
    #expect(code == .calm)
  }

  @Test func brokenCalls() {
    let server = open()
    let (times, code) = forgiven(server) { number in
      server.call(2 * number + 1, "Async", [.last, .noMessage])
      _ = server.sent()
    }
    #expect(times == 200)
    #expect(code == .calm)
  }

  @Test func emptyDataWithoutAnEnd() {
    let server = open()
    server.call(1, "Async", .more, body: [1]) { $0.messageBytes = 5 }
    let (times, code) = forgiven(server) { _ in server.data(1, .noMessage) }
    #expect(times == 200)
    #expect(code == .calm)
  }

  @Test func tokensComeBackWithTime() {
    let server = open()
    #expect(forgiven(server, upTo: 150) { _ in ignorable(server) }.times == 150)
    // 15 s bring 100 back.
    server.connection.now += .seconds(15)
    #expect(forgiven(server) { _ in ignorable(server) }.times == 150)
  }

  @Test func withoutABucketNothingIsCounted() {
    let server = open { $0.abuse = nil }
    #expect(forgiven(server) { _ in ignorable(server) }.times == 1_000)
  }

  @Test func whatIsNoAbuseCostsNothing() {
    let server = open()
    let (times, _) = forgiven(server) { number in
      // Unknown methods, metadata that is refused, deadlines over before they begin.
      server.call(6 * number + 1, "Nobody")
      server.call(6 * number + 3, "Async") { $0.requestID = [1] }
      server.call(6 * number + 5, "Async") { $0.timeoutMs = 0 }
      _ = server.sent()
    }
    #expect(times == 1_000)
  }

  // MARK: Frames that crossed an END

  @Test func honestCrossingFramesAreForgiven() {
    let server = open()
    // 262,144 bytes of credit are 16 frames; four more for CREDIT and CANCEL.
    let (times, _) = forgiven(server, upTo: 300) { number in
      let id = 2 * number + 1
      server.call(id, "Sync")
      _ = server.sent()
      for _ in 0..<20 { server.credit(4_096, stream: id) }
    }
    #expect(times == 300)
  }

  @Test func moreThanCanHaveCrossedIsAbuse() {
    let server = open()
    server.call(1, "Sync")
    _ = server.sent()
    let (times, code) = forgiven(server) { _ in server.credit(4_096, stream: 1) }
    #expect(times == 20 + 200)
    #expect(code == .calm)
  }

  // MARK: Frames that drip

  @Test func aFrameThatDripsEndsTheConnection() {
    let server = open()
    // The header of a CALL of 8,192 bytes.
    server.connection.receive([0, 0, 0x20, 0, 0x02, 0x01, 0, 0, 0, 0, 0, 1])
    for _ in 0..<9 {
      server.connection.now += .seconds(1)
      server.connection.receive([0])
      server.connection.advance()
      #expect(!server.connection.wantsClose)
    }
    server.connection.now += .seconds(1)
    server.connection.advance()
    #expect(server.connection.wantsClose)
  }

  @Test func aSlowFrameThatComesOnIsRead() {
    let server = open()
    server.call(1, "Async", .more, body: [1]) { $0.messageBytes = 40_000 }
    // A frame of 16,000 bytes at 1.1 KB a second.
    server.connection.receive([0, 0, 0x3E, 0x80, 0x03, 0x02, 0, 0, 0, 0, 0, 1])
    for _ in 0..<14 {
      server.connection.now += .seconds(1)
      server.connection.receive([UInt8](repeating: 0, count: 1_130))
      server.connection.advance()
    }
    #expect(!server.connection.wantsClose)
  }

  @Test func silenceBetweenFramesIsNoDrip() {
    let server = open()
    server.call(1, "Watch")
    server.connection.now += .seconds(25)
    server.connection.advance()
    #expect(!server.connection.wantsClose)
  }
}
