import FramedCore
import FramedMessages
import FramedRPC
import Testing

@Suite struct DrainTests {
  @Test func watchersGetTheNewestValueAndAPlaceToResumeFrom() async throws {
    try await withServer { server, service, address in
      let client = try await connect(address)
      let watch: WatchStream<Header> = client.stream(EchoMethods.watch, Header())
      let (_, stream) = try #require(try await service.streams.wait { $0.count == 1 }.first)
      stream.send(key: "k", seq: 5, message: Header(key: "k"))
      var iterator = watch.makeAsyncIterator()
      #expect(try await iterator.next()?.seq == 5)
      async let drained: Void = server.drain(grace: .seconds(1))
      let error = await #expect(throws: RPCError.self) {
        while try await iterator.next() != nil {}
      }
      #expect(error?.code == .unavailable)
      #expect(error?.resumeSeq == 5)
      #expect(error?.refused == false)
      let retryAfter = try #require(error?.retryAfter)
      #expect(retryAfter >= .zero && retryAfter <= .milliseconds(500))
      await drained
      #expect(!client.isUsable)
    }
  }

  @Test func runningCallsFinishAndNewOnesAreRefused() async throws {
    try await withServer { server, service, address in
      let client = try await connect(address)
      let hanging = Task { () -> Header in
        try await client.unary(EchoMethods.hang, Header(), options: CallOptions(timeout: .seconds(30)))
      }
      try await service.running.wait { $0 == 1 }
      let large = Task { () -> Header in try await client.unary(EchoMethods.echo, Header(value: bytes(2_000_000))) }
      _ = try await large.value
      let drain = Task { await server.drain(grace: .milliseconds(400)) }
      try await eventually { !client.isUsable }
      let refused = await #expect(throws: RPCError.self) {
        let _: Header = try await client.unary(EchoMethods.echo, Header())
      }
      #expect(refused?.code == .unavailable)
      #expect(refused?.refused == true)
      // Cancelled at the end of the grace: it may have run, so it is not refused.
      let ended = await #expect(throws: RPCError.self) { try await hanging.value }
      #expect(ended?.code == .unavailable)
      #expect(ended?.refused == false)
      await drain.value
      #expect(server.connectionCount == 0)
    }
  }

  @Test func idleConnectionsCloseAtOnce() async throws {
    try await withServer { server, _, address in
      let client = try await connect(address)
      await server.drain(grace: .seconds(30))
      try await eventually { !client.isUsable }
    }
  }
}
