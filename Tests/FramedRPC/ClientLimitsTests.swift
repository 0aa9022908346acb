import FramedCore
import FramedMessages
import FramedRPC
import Logging
import Testing

/// What one client may have of a server, over all its connections.
@Suite struct ClientLimitsTests {
  private func withLimits<Result>(
    _ limits: ClientLimits.Limits,
    _ body: (EchoService, ListeningAddress) async throws -> Result
  ) async throws -> Result {
    let credentials = try TestCredentials.shared.get()
    let service = EchoService()
    var configuration = ServerConfiguration(port: 0, tls: credentials.server)
    configuration.clients = ClientLimits(perPrincipal: limits)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let server = try RPCServer(configuration: configuration, router: RPCRouter([service]), logger: logger)
    let address = try await server.start()
    do {
      let result = try await body(service, address)
      await server.shutdown()
      return result
    } catch {
      await server.shutdown()
      throw error
    }
  }

  private func refusal(_ body: () async throws -> Header) async -> RPCError? {
    do {
      _ = try await body()
      return nil
    } catch {
      return error as? RPCError
    }
  }

  @Test func handlersOfAllConnectionsCountTogether() async throws {
    try await withLimits(ClientLimits.Limits(handlers: 3)) { service, address in
      let first = try await connect(address)
      let second = try await connect(address)
      let calls = [first, first, second].map { client in
        Task { try await client.unary(EchoMethods.hang, Header(), Header.self) }
      }
      try await service.running.wait { $0 == 3 }
      let refused = await refusal { try await second.unary(EchoMethods.hang, Header()) }
      #expect(refused?.code == .resourceExhausted)
      #expect(refused?.refused == true)
      #expect(refused?.retryAfter == .seconds(1))
      // One that ends makes room for one.
      calls[0].cancel()
      try await service.running.wait { $0 == 2 }
      let echoed = try await second.unary(EchoMethods.echo, Header(key: "room"), Header.self)
      #expect(echoed.key == "room")
      for call in calls { call.cancel() }
      await first.close()
      await second.close()
    }
  }

  @Test func streamsOfAllConnectionsCountTogether() async throws {
    try await withLimits(ClientLimits.Limits(streams: 2)) { service, address in
      let first = try await connect(address)
      let second = try await connect(address)
      let watches = [first, second].map { client -> WatchStream<Header> in client.stream(EchoMethods.watch, Header()) }
      try await service.streams.wait { $0.count == 2 }
      let refused = await refusal { try await first.unary(EchoMethods.echo, Header()) }
      #expect(refused?.code == .resourceExhausted)
      #expect(refused?.refused == true)
      // What is answered at once is no stream.
      _ = try await first.unary(EchoMethods.echoSync, Header(), Header.self)
      watches[0].cancel()
      try await service.streamEnds.wait { $0.count == 1 }
      _ = try await second.unary(EchoMethods.echo, Header(), Header.self)
      await first.close()
      await second.close()
    }
  }

  @Test func connectionsOfOnePrincipal() async throws {
    try await withLimits(ClientLimits.Limits(connections: 2)) { _, address in
      let first = try await connect(address)
      let second = try await connect(address)
      await #expect(throws: (any Error).self) { try await connect(address) }
      await first.close()
      var third: RPCClient?
      for _ in 0..<200 where third == nil {
        third = try? await connect(address)
        if third == nil { try await Task.sleep(for: .milliseconds(10)) }
      }
      let client = try #require(third)
      _ = try await client.unary(EchoMethods.echo, Header(), Header.self)
      await second.close()
      await client.close()
    }
  }

  @Test func whatIsTakenIsGivenBack() {
    let limits = ClientLimits(perAddress: .init(streams: 1), perPrincipal: .init(streams: 1))
    let here = ClientKey.address("10.0.0.1")
    #expect(limits.take(.stream, for: here))
    #expect(!limits.take(.stream, for: here))
    #expect(limits.take(.stream, for: .address("10.0.0.2")))
    #expect(limits.take(.handler, for: here))
    limits.give(.stream, for: here)
    #expect(limits.take(.stream, for: here))
  }
}
