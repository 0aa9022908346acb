import FramedCore
import FramedMessages
import Testing

/// How long a connection may live.
@Suite struct ConnectionLifeTests {
  private func open(_ change: (inout ServerSettings) -> Void = { _ in }) -> ServerSide {
    var settings = ServerSettings()
    change(&settings)
    let server = ServerSide(settings)
    server.connection.transportEstablished()
    server.hello()
    return server
  }

  @Test func streamsEndWithTheirCertificate() throws {
    let server = open()
    server.connection.credentialsExpire(in: .seconds(20))
    server.call(1, "Watch")
    server.call(3, "Async")
    let watch = try #require(server.started.first?.stream)
    server.connection.begin(watch, epoch: 1)
    server.connection.offer(watch, key: "k", seq: 7, bytes: [1], removed: false)
    server.connection.handlerSubscribed(watch)
    _ = server.sent()
    server.pass(.seconds(19))
    #expect(!server.sent().contains { $0.type == .end || $0.type == .goaway })
    server.pass(.seconds(2))
    let sent = server.sent()
    #expect(sent.first?.type == .goaway)
    #expect(sent.first?.aux == GoawayCode.auth.rawValue)
    let end = try #require(sent.first { $0.type == .end })
    #expect(end.stream == 1)
    #expect(end.code == .unauthenticated)
    #expect(end.end?.resumeSeq == 7)
    // The other's handler is told, and its END waits for it.
    #expect(server.cancelled.contains { $0 == (3, .unauthenticated) })
    server.call(5, "Sync")
    #expect(server.sent().first?.code == .unavailable)
    server.connection.finish(server.started[1].stream, .status(EndStatus(.cancelled)))
    #expect(server.sent().last?.code == .unauthenticated)
    #expect(server.connection.wantsClose)
  }

  @Test func aHandlerThatIgnoresItsEndDoesNotKeepTheConnection() {
    let server = open()
    server.connection.credentialsExpire(in: .seconds(1))
    server.call(1, "Async")
    server.pass(.seconds(2))
    _ = server.sent()
    for _ in 0..<5 {
      server.pass(.seconds(5))
      _ = server.sent()
    }
    #expect(server.connection.wantsClose)
  }

  @Test func withoutAnEndNothingExpires() {
    let server = open()
    server.connection.credentialsExpire(in: .max - 5)
    server.call(1, "Watch")
    server.pass(.seconds(100_000_000))
    #expect(!server.connection.wantsClose)
  }

  @Test func anOldConnectionIsDrained() throws {
    // The test's randomness takes the middle: exactly the age.
    let server = open { $0.maxAge = .seconds(100) }
    server.call(1, "Async") { $0.timeoutMs = 200_000 }
    server.pass(.seconds(99))
    #expect(!server.sent().contains { $0.type == .goaway })
    server.pass(.seconds(2))
    let goaway = try #require(server.sent().first { $0.type == .goaway })
    #expect(goaway.aux == GoawayCode.drain.rawValue)
    server.connection.finish(server.started[0].stream, .message([1], trailers: []))
    #expect(server.sent().last?.body == [1])
    #expect(server.connection.wantsClose)
  }
}
