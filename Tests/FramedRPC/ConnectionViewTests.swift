import FramedCore
import FramedMessages
import FramedRPC
import Testing

/// What an operator sees of connections and streams.
@Suite struct ConnectionViewTests {
  @Test func connectionsAndTheirStreams() async throws {
    try await withServer { server, service, address in
      let client = try await connect(address) { $0.agent = "a test" }
      let idle = try await connect(address)
      var options = CallOptions()
      options.initialCredit = 4_096
      let watch: WatchStream<Header> = client.stream(EchoMethods.events, Header(), options: options)
      let hanging = Task { try await client.unary(EchoMethods.hang, Header(), Header.self) }
      try await service.queues.wait { $0.count == 1 }
      try await service.running.wait { $0 == 1 }
      // One message leaves, less than half the window is left: the second waits.
      for _ in 0..<2 { service.queues.current[0].send(Header(value: bytes(3_000))) }
      var views: [ConnectionView] = []
      for _ in 0..<500 where views.first?.streams.first?.blocked == nil {
        views = await server.connections()
        try await Task.sleep(for: .milliseconds(2))
      }
      #expect(views.count == 2)
      let view = try #require(views.first)
      #expect(view.agent == "a test")
      #expect(!view.principal.isEmpty)
      #expect(view.openStreams == 2)
      #expect(view.streams.map(\.method) == ["framedrpc.test.Echo/Events", "framedrpc.test.Echo/Hang"])
      #expect(view.streams.map(\.state) == ["RUNNING", "RUNNING"])
      #expect(view.streams[0].waiting == 1)
      #expect(view.streams[0].heldBytes > 3_000)
      #expect(view.streams[1].blocked == nil)
      #expect(view.heldBytes == view.streams[0].heldBytes)
      #expect(!view.draining)
      #expect(views[1].openStreams == 0)
      let short = await server.connections(streams: 1)
      #expect(short[0].streams.count == 1)
      #expect(short[0].openStreams == 2)
      watch.cancel()
      hanging.cancel()
      await client.close()
      await idle.close()
    }
  }
}
